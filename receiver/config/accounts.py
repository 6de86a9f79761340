"""From the environment to the provider accounts: which ones, and each one's key, URL and switches.

Pure. Problems are returned, not raised, so that one start shows all of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from pydantic import ValidationError

from receiver.config.environment import PREFIX, Setting, find_problems, list_settings, nest_values
from receiver.config.problems import SettingProblem
from receiver.config.types import HeaderText, HttpUrl, Section, StateWords, Whole, entries, is_nearby, setting
from submitter.providers.contract import Account, Capabilities
from submitter.providers.registry import ADAPTERS

PROVIDERS = "WHENFINAL_PROVIDERS"

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")

_NEAR = 0.8  # of 1: a letter lost, doubled or swapped

#: Platforms that have a URL of their own, so that a key is enough; a gateway must be named.
_PLATFORMS = [name for name, adapter in ADAPTERS.items() if adapter.CAPABILITIES.default_base_url is not None]

_FORM = "write entries as name or name=adapter, names in lower case letters, digits and -"


class AccountSettings(Section):
    """The settings of one account. The account's prefix goes before each name: `HIAPI_B_` + `API_KEY`."""

    api_key: HeaderText | None = setting(
        "API_KEY",
        unit="text",
        what="The account's key.",
        danger="Spends the account's money.",
        secret=True,
    )
    base_url: HttpUrl | None = setting(
        "BASE_URL",
        unit="URL",
        what="Another region, gateway or the simulator.",
        danger="The key is sent there. https, except to this machine or a private network.",
    )
    max_in_flight: Whole | None = setting(
        "MAX_IN_FLIGHT",
        between=(1, 100_000),
        unit="tasks",
        what="Most unfinished tasks at once; further ones wait in the queue. A provider that refuses for concurrency "
        "lowers it until its refusals end.",
        danger="Too low leaves paid capacity unused.",
    )
    state_words: StateWords | None = setting(
        "STATE_WORDS",
        unit="word=state",
        what=(
            "Comma-separated words for states that this account's answers and callbacks use and no document names, "
            "such as done=succeeded,expired=failed. They go before the words that are known."
        ),
        danger="A wrong end word ends tasks that still run, and an end is final.",
    )
    secret_key: HeaderText | None = setting(
        "SECRET_KEY",
        unit="text",
        what="The secret of a pair of keys, of which API_KEY is then the access key; each request is signed with it.",
        danger="Without it API_KEY itself is sent.",
        secret=True,
    )
    webhook_secret: HeaderText | None = setting(
        "WEBHOOK_SECRET",
        unit="text",
        what="The signing key of the provider's callbacks. If it is set, every callback must have a valid signature.",
        danger="A wrong key refuses all callbacks; polling still finds the ends.",
        secret=True,
    )
    signature_window_s: Whole = setting(
        "SIGNATURE_WINDOW_S",
        300,
        between=(0, 86_400),
        unit="seconds",
        what="How far a signature's time may be from ours; 0 switches the check off.",
        danger="0 lets old callbacks be replayed (they change nothing).",
    )
    keys_url: HttpUrl | None = setting(
        "KEYS_URL",
        unit="URL",
        what="Where the provider publishes the public keys that verify its callbacks.",
        danger="Whoever answers there can sign callbacks. https, except to this machine or a private network.",
    )


def prefix_of(name: str) -> str:
    """`hiapi-b` → `HIAPI_B_`."""
    return name.upper().replace("-", "_") + "_"


def list_account_settings(name: str, can: Capabilities) -> tuple[Setting, ...]:
    """The settings of an account by their whole names, without its adapter's options."""
    prefix = prefix_of(name)
    defaults = {
        "BASE_URL": can.default_base_url or "",
        "MAX_IN_FLIGHT": str(can.max_in_flight or ""),
        "KEYS_URL": can.keys_url or "",
    }
    absent = _absent_settings(can)
    return tuple(
        replace(each, env=prefix + each.env, default=defaults.get(each.env, each.default))
        for each in list_settings(AccountSettings)
        if each.env not in absent
    )


def _absent_settings(can: Capabilities) -> Mapping[str, str]:
    """The settings that an account of this platform does not have, each with the reason."""
    called_back = can.callback or can.account_callback
    silent = f"{can.title} does not call back"
    unsigned = f"{can.title} signs no callback with a secret" if called_back else silent
    without = {
        "SECRET_KEY": (can.has_key_pair, f"{can.title} has no pairs of keys"),
        "WEBHOOK_SECRET": (can.callback_secret, unsigned),
        "SIGNATURE_WINDOW_S": (can.callback_secret or can.keys_url is not None, unsigned),
        "KEYS_URL": (can.keys_url is not None, f"{can.title} publishes no keys of callbacks"),
    }
    return {suffix: why for suffix, (has_it, why) in without.items() if not has_it}


def list_options(name: str, can: Capabilities) -> Iterator[Setting]:
    """The options of an account's adapter, by their whole names. Upper and lower case of a choice are the same."""
    for option, choices in can.options.items():
        yield Setting(
            env=prefix_of(name) + option.upper(),
            path=(option,),
            default=choices[0],
            what="A switch of this adapter.",
            choices=choices,
            accepted=f"one of {', '.join(choices)}",
        )


def read_accounts(given: Mapping[str, str]) -> tuple[tuple[Account, ...], tuple[SettingProblem, ...]]:
    """Accounts in the order in which they are named, without those that have a problem; and the problems.

    `given` is the environment, stripped and without blanks.
    """
    problems: list[SettingProblem] = []
    if PROVIDERS in given:
        names = _read_names(given[PROVIDERS], problems)
    else:
        names = {name: name for name in _PLATFORMS if prefix_of(name) + "API_KEY" in given}
        problems += [] if names else _misspelled_keys(given)
    accounts = []
    for name, adapter in names.items():
        found = _read_account(given, name, adapter)
        if isinstance(found, Account):
            accounts.append(found)
        else:
            problems += found
    return tuple(accounts), tuple(problems)


def account_prefixes(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return how the variables of every account begin, named or not, as far as `WHENFINAL_PROVIDERS` can be read."""
    named = [entry.partition("=")[0].strip() for _, entry in entries(given.get(PROVIDERS, ""))]
    return tuple(prefix_of(name) for name in (*_PLATFORMS, *named) if name)


def _read_names(text: str, problems: list[SettingProblem]) -> dict[str, str]:
    """The adapter of each account that `WHENFINAL_PROVIDERS` names."""
    found: dict[str, str] = {}
    for place, entry in entries(text):
        name, sign, adapter = (part.strip() for part in entry.partition("="))
        adapter = adapter if sign else name
        if not _NAME.fullmatch(name) or name.startswith(PREFIX.rstrip("_").lower()):
            problems.append(SettingProblem(variable=PROVIDERS, rule=f"entry {place} has no valid name", hint=_FORM))
        elif name in found:
            hint = "give each account its own name"
            problems.append(SettingProblem(variable=PROVIDERS, rule=f"{name} is named twice", hint=hint))
        elif adapter not in ADAPTERS:
            rule = f"entry {place}, {name}, has an adapter that does not exist"
            hint = f"write {name}=ADAPTER with one of {', '.join(ADAPTERS)}"
            problems.append(SettingProblem(variable=PROVIDERS, rule=rule, hint=hint))
        else:
            found[name] = adapter
    return found


def _misspelled_keys(given: Mapping[str, str]) -> Iterator[SettingProblem]:
    for name in _PLATFORMS:
        misspelled = _misspelling(given, name, "API_KEY")
        if misspelled is not None:
            rule = "there is no such setting, and no provider has a key"
            yield SettingProblem(variable=misspelled, rule=rule, hint=f"did you mean {prefix_of(name)}API_KEY?")


def _misspelling(given: Iterable[str], name: str, suffix: str) -> str | None:
    """A variable that is set and whose name is nearly this one of the account's. Call it where this one is missing.

    Others use the same prefix: `DASHSCOPE_HTTP_BASE_URL` is the platform's own, `HIAPI_B_API_KEY` another account's.
    """
    prefix = prefix_of(name)
    ends = {each.upper().removeprefix(prefix): each for each in given if each.upper().startswith(prefix)}
    near = get_close_matches(suffix, (end for end in ends if not end.endswith(f"_{suffix}")), n=1, cutoff=_NEAR)
    return ends[near[0]] if near else None


def _read_account(given: Mapping[str, str], name: str, adapter: str) -> Account | list[SettingProblem]:
    can = ADAPTERS[adapter].CAPABILITIES
    known = list_account_settings(name, can)
    problems = [*_missing(given, name, can), *_absent(given, name, can)]
    options = {}
    for each in list_options(name, can):
        options[each.path[0]] = given.get(each.env, each.default).lower()
        if options[each.path[0]] not in each.choices:
            rule, hint = "it is not one of the choices", f"set {each.accepted}"
            problems.append(SettingProblem(variable=each.env, rule=rule, hint=hint))
    try:
        read = AccountSettings.model_validate(nest_values(given, known))
    except ValidationError as error:
        return [*problems, *find_problems(error, known)]
    base_url = read.base_url or can.default_base_url
    problems += [*_unencrypted(base_url, name, "BASE_URL"), *_unencrypted(read.keys_url, name, "KEYS_URL")]
    if problems or base_url is None or read.api_key is None:
        return problems
    others = read.model_dump(include={"secret_key", "webhook_secret", "signature_window_s", "max_in_flight"})
    return Account(
        name=name,
        adapter=adapter,
        base_url=base_url,
        api_key=read.api_key,
        options=options,
        state_words=read.state_words or {},
        keys_url=read.keys_url or can.keys_url,
        **others,
    )


def _missing(given: Mapping[str, str], name: str, can: Capabilities) -> Iterator[SettingProblem]:
    """Settings that the account needs and that are not set."""
    prefix = prefix_of(name)
    if prefix + "API_KEY" not in given:
        rule = f"{name} is named in {PROVIDERS} and has no key"
        hint = _rename_hint(given, name, "API_KEY") or f"set the key, or take {name} out of {PROVIDERS}"
        yield SettingProblem(variable=prefix + "API_KEY", rule=rule, hint=hint)
    if prefix + "BASE_URL" not in given and can.default_base_url is None:
        hint = _rename_hint(given, name, "BASE_URL") or "set the gateway's base URL"
        yield SettingProblem(variable=prefix + "BASE_URL", rule="a gateway has no URL of its own", hint=hint)


def _rename_hint(given: Mapping[str, str], name: str, suffix: str) -> str:
    misspelled = _misspelling(given, name, suffix)
    return "" if misspelled is None else f"{misspelled} is set: give it this name"


def _absent(given: Mapping[str, str], name: str, can: Capabilities) -> Iterator[SettingProblem]:
    """Settings that are set and that an account of this platform does not have."""
    for suffix, why in _absent_settings(can).items():
        variable = prefix_of(name) + suffix
        if variable in given:
            yield SettingProblem(variable=variable, rule=why, hint="leave it out")


def _unencrypted(url: str | None, name: str, suffix: str) -> Iterator[SettingProblem]:
    if url is not None and url.startswith("http://") and not is_nearby(url):
        what = "the key" if suffix == "BASE_URL" else "the public keys"
        rule = f"{what} would cross the internet unencrypted"
        yield SettingProblem(variable=prefix_of(name) + suffix, rule=rule, hint="use https")

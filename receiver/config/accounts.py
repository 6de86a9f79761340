"""From the environment to the provider accounts: which ones, and each one's key, address and switches.

Pure. Problems are gathered, not raised: an operator wants to hear of all of them at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from receiver.config.fields import LONGEST_SIGNATURE_WINDOW_S, PREFIX, SIGNATURE_WINDOW_S
from receiver.config.parsing import Unfit, entries, is_nearby, read_choice, read_count, read_secret, read_url
from submitter.providers.contract import Account, Capabilities, Provider

PROVIDERS = "WHENFINAL_PROVIDERS"

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")

_NEAR = 0.8  # of 1: a letter lost, doubled or swapped

_FORM = "write entries as name or name=adapter, names in lower case letters, digits and -"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with the settings. Never holds a value."""

    variable: str
    rule: str
    hint: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.rule}; {self.hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    name: str
    adapter: str


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The environment, stripped and without blanks, and what was wrong with it so far."""

    given: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def complain(self, variable: str, rule: str, *, hint: str) -> None:
        self.problems.append(Problem(variable=variable, rule=rule, hint=hint))


def prefix_of(name: str) -> str:
    """`hiapi-b` → `HIAPI_B_`."""
    return name.upper().replace("-", "_") + "_"


def read_accounts(
    given: Mapping[str, str], adapters: Mapping[str, Provider]
) -> tuple[tuple[Account, ...], tuple[Problem, ...]]:
    """Accounts in the order in which they are named; one with a problem is left out of them."""
    reading = _Reading(given=given)
    named = _named(reading, adapters) if PROVIDERS in given else _with_keys(reading, adapters)
    accounts = [_account(reading, each, adapters[each.adapter].CAPABILITIES) for each in named]
    return tuple(account for account in accounts if account is not None), tuple(reading.problems)


def _with_keys(reading: _Reading, adapters: Mapping[str, Provider]) -> list[_Named]:
    """Every platform that has an address of its own and a key; a bare gateway dialect must be named."""
    own = [name for name, adapter in adapters.items() if adapter.CAPABILITIES.default_base_url is not None]
    found = [_Named(name=name, adapter=name) for name in own if prefix_of(name) + "API_KEY" in reading.given]
    for name in own if not found else ():
        slip = _slip_of(reading, name, "API_KEY")
        if slip is not None:
            rule = "there is no such setting, and no provider has a key"
            reading.complain(slip, rule, hint=f"did you mean {prefix_of(name)}API_KEY?")
    return found


def _slip_of(reading: _Reading, name: str, suffix: str) -> str | None:
    """A variable that is set and is nearly this one of the account's; asked for only where this one is missing.

    Others use the same prefix: `DASHSCOPE_HTTP_BASE_URL` is the platform's own, `HIAPI_B_API_KEY` another account's.
    """
    prefix = prefix_of(name)
    ends = {each.upper().removeprefix(prefix): each for each in reading.given if each.upper().startswith(prefix)}
    near = get_close_matches(suffix, (end for end in ends if not end.endswith(f"_{suffix}")), n=1, cutoff=_NEAR)
    return ends[near[0]] if near else None


def _renamed(slip: str | None) -> str:
    return f"{slip} is set: give it this name" if slip is not None else ""


def _named(reading: _Reading, adapters: Mapping[str, Provider]) -> list[_Named]:
    found: dict[str, _Named] = {}
    for place, text in entries(reading.given[PROVIDERS]):
        name, sign, adapter = (part.strip() for part in text.partition("="))
        if not _NAME.fullmatch(name) or name.startswith(PREFIX.rstrip("_").lower()):
            reading.complain(PROVIDERS, f"entry {place} has no fit name", hint=_FORM)
        elif name in found:
            reading.complain(PROVIDERS, f"{name} is named twice", hint="give each account its own name")
        elif (adapter if sign else name) not in adapters:
            reading.complain(
                PROVIDERS,
                f"entry {place}, {name}, has an adapter that does not exist",
                hint=f"write {name}=ADAPTER with one of {', '.join(adapters)}",
            )
        else:
            found[name] = _Named(name=name, adapter=adapter or name)
    return list(found.values())


def _account(reading: _Reading, named: _Named, can: Capabilities) -> Account | None:
    before = len(reading.problems)
    key = _secret(reading, named, "API_KEY")
    if key is None and len(reading.problems) == before:
        slip = _slip_of(reading, named.name, "API_KEY")
        reading.complain(
            prefix_of(named.name) + "API_KEY",
            f"{named.name} is named in {PROVIDERS} and has no key",
            hint=_renamed(slip) or f"set the key, or take {named.name} out of {PROVIDERS}",
        )
    base_url = _base_url(reading, named, can)
    secret, window_s = _callback_settings(reading, named, can)
    options = dict(_options(reading, named, can))
    if key is None or base_url is None or len(reading.problems) > before:
        return None
    return Account(
        name=named.name,
        adapter=named.adapter,
        base_url=base_url,
        api_key=key,
        webhook_secret=secret,
        signature_window_s=window_s,
        options=options,
    )


def _secret(reading: _Reading, named: _Named, suffix: str) -> str | None:
    variable = prefix_of(named.name) + suffix
    text = reading.given.get(variable)
    try:
        return None if text is None else read_secret(text)
    except Unfit as unfit:
        reading.complain(variable, unfit.rule, hint=unfit.hint)
        return None


def _base_url(reading: _Reading, named: _Named, can: Capabilities) -> str | None:
    variable = prefix_of(named.name) + "BASE_URL"
    text = reading.given.get(variable)
    if text is None:
        if can.default_base_url is None:
            hint = _renamed(_slip_of(reading, named.name, "BASE_URL")) or "set the gateway's base URL"
            reading.complain(variable, "a gateway has no address of its own", hint=hint)
        return can.default_base_url
    try:
        url = read_url(text)
    except Unfit as unfit:
        reading.complain(variable, unfit.rule, hint=unfit.hint)
        return None
    if url.startswith("http://") and not is_nearby(url):
        reading.complain(variable, "the key would cross the internet unencrypted", hint="use https")
    return url


def _callback_settings(reading: _Reading, named: _Named, can: Capabilities) -> tuple[str | None, int]:
    """The signing key of callbacks and its window."""
    prefix = prefix_of(named.name)
    if not can.callback:
        for variable in (prefix + "WEBHOOK_SECRET", prefix + "SIGNATURE_WINDOW_S"):
            if variable in reading.given:
                reading.complain(variable, f"{can.title} does not call back", hint="leave it out")
        return None, SIGNATURE_WINDOW_S
    return _secret(reading, named, "WEBHOOK_SECRET"), _window_s(reading, prefix + "SIGNATURE_WINDOW_S")


def _window_s(reading: _Reading, variable: str) -> int:
    try:
        return read_count(reading.given.get(variable, str(SIGNATURE_WINDOW_S)), low=0, high=LONGEST_SIGNATURE_WINDOW_S)
    except Unfit as unfit:
        reading.complain(variable, unfit.rule, hint=unfit.hint)
        return SIGNATURE_WINDOW_S


def _options(reading: _Reading, named: _Named, can: Capabilities) -> Iterator[tuple[str, str]]:
    """Every switch of the adapter with the value it has, given or not."""
    for option, choices in can.options.items():
        variable = prefix_of(named.name) + option.upper()
        try:
            yield option, read_choice(reading.given.get(variable, choices[0]), choices)
        except Unfit as unfit:
            reading.complain(variable, unfit.rule, hint=unfit.hint)

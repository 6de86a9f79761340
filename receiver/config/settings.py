"""Everything that can be set, as one frozen value.

Pure: the environment comes in as a mapping. A text that breaks a rule and settings that contradict each other stop the
start, all named at once; nothing is guessed, rounded or ignored. No secret reaches a message or a repr.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from receiver.config.accounts import Problem, read_accounts
from receiver.config.errors import ConfigError
from receiver.config.fields import (
    KNOBS,
    PREFIX,
    Kind,
    Knob,
)
from receiver.config.parsing import ApiKey, Network, Unfit, host_address, is_loopback, read_knob
from receiver.store.url import LedgerServer, read_database_url
from submitter.providers.contract import Account, Provider
from submitter.providers.registry import ADAPTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Meaning, unit and danger of each field stand in `KNOBS`. Both database URLs may hold a password."""

    public_url: str | None
    database_url: str = field(repr=False)
    database_pool: int
    database_listen_url: str | None = field(repr=False)
    secret_keys: tuple[str, ...] = field(repr=False)
    api_keys: tuple[ApiKey, ...]
    accounts: tuple[Account, ...]
    provider_timeout_s: float
    provider_speed: float
    submit_tries: int
    deadline_s: int
    lease_s: float
    reconcile_concurrency: int
    callback_token_days: int
    allow_private: tuple[Network, ...]
    delivery_concurrency: int
    delivery_per_endpoint: int
    webhook_connect_s: float
    webhook_timeout_s: float
    webhook_backoff_s: tuple[float, ...]
    give_up_days: float
    stream_keepalive_s: float
    streams_max: int
    keep_events_days: float
    keep_attempts_days: float
    keep_observations_days: float
    callback_max_bytes: int
    api_max_bytes: int
    wait_max_s: int
    log_level: str
    log_format: str

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str], adapters: Mapping[str, Provider] = ADAPTERS) -> "Settings":
        """Unset and blank are the same. Raise ConfigError that names every problem, a line each."""
        read = read_settings(mapping, adapters)
        if isinstance(read, Settings):
            return read
        if len(read) == 1:
            raise ConfigError(f"{read[0].variable}: {read[0].rule}", hint=read[0].hint)
        lines = "".join(f"\n  {problem}" for problem in read)
        raise ConfigError(f"{len(read)} settings are wrong:{lines}\n", hint="cure them all, then start again")


def read_settings(
    mapping: Mapping[str, str], adapters: Mapping[str, Provider] = ADAPTERS
) -> Settings | tuple[Problem, ...]:
    """The settings, or every problem found: texts first, then contradictions, which need readable texts."""
    given = {name: text.strip() for name, text in mapping.items() if text.strip()}
    accounts, problems = read_accounts(given, adapters)
    values, unfit = _read_knobs(given)
    found = (*_unknown(given), *unfit, *problems)
    if found:
        return found
    settings = Settings(accounts=accounts, **values)
    return tuple(_contradictions(settings, adapters)) or settings


def _read_knobs(given: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for knob in KNOBS:
        text = given.get(knob.name, knob.default)
        if knob.kind is Kind.PROVIDERS:
            continue
        try:
            values[knob.field] = read_knob(knob, text) if text else _unset(knob)
        except Unfit as unfit:
            problems.append(Problem(variable=knob.name, rule=unfit.rule, hint=unfit.hint))
    return values, problems


def _unset(knob: Knob) -> tuple[()] | None:
    return None if knob.kind in {Kind.PUBLIC_URL, Kind.DATABASE_URL} else ()


#: What Kubernetes sets in every container for a service that is named whenfinal.
_SERVICE_LINK = re.compile(r"WHENFINAL_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


def _unknown(given: Mapping[str, str]) -> Iterator[Problem]:
    """Our own prefix only: any other variable may be somebody else's."""
    known = [knob.name for knob in KNOBS]
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name):
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "take it out; .env.example lists every setting"
            yield Problem(variable=name, rule="there is no such setting", hint=hint)


def _contradictions(settings: Settings, adapters: Mapping[str, Provider]) -> Iterator[Problem]:
    callers = [each for each in settings.accounts if adapters[each.adapter].CAPABILITIES.callback]
    yield from _public_url_problems(settings, callers)
    yield from _listen_url_problems(settings)
    far = [account.name for account in settings.accounts if not is_loopback(account.base_url)]
    if settings.provider_speed != 1 and far:
        yield Problem(
            variable="WHENFINAL_PROVIDER_SPEED",
            rule=f"{', '.join(far)} is no simulator on this machine and keeps real time",
            hint="leave it out, or set every provider's base URL to the simulator",
        )
    for short, long in _NOT_LONGER:
        if getattr(settings, short.removeprefix(PREFIX).lower()) > getattr(settings, long.removeprefix(PREFIX).lower()):
            yield Problem(variable=short, rule=f"it is more than {long}", hint=f"lower it, or raise {long}")


#: The first must not be more than the second.
_NOT_LONGER = (
    ("WHENFINAL_PROVIDER_TIMEOUT_S", "WHENFINAL_LEASE_S"),
    ("WHENFINAL_WEBHOOK_TIMEOUT_S", "WHENFINAL_LEASE_S"),
    ("WHENFINAL_WEBHOOK_CONNECT_S", "WHENFINAL_WEBHOOK_TIMEOUT_S"),
    ("WHENFINAL_DELIVERY_PER_ENDPOINT", "WHENFINAL_DELIVERY_CONCURRENCY"),
)


def _public_url_problems(settings: Settings, callers: list[Account]) -> Iterator[Problem]:
    """A provider elsewhere needs an address that it can reach and that nobody between can read."""
    url = settings.public_url
    far = [account.name for account in callers if not is_loopback(account.base_url)]
    if url is None or not far:
        return
    address = host_address(url)
    if is_loopback(url) or (address is not None and not address.is_global):
        yield Problem(
            variable="WHENFINAL_PUBLIC_URL",
            rule=f"{', '.join(far)} can not reach an address of this machine or a private network",
            hint="set the address that the internet knows, or leave it out to poll instead",
        )
    elif not url.startswith("https://"):
        yield Problem(
            variable="WHENFINAL_PUBLIC_URL",
            rule=f"callbacks of {', '.join(far)} would cross the internet unencrypted",
            hint="use https, or leave it out to poll instead",
        )


def _listen_url_problems(settings: Settings) -> Iterator[Problem]:
    if settings.database_listen_url is None:
        return
    for url in (settings.database_listen_url, settings.database_url):
        if not isinstance(read_database_url(url), LedgerServer):
            yield Problem(
                variable="WHENFINAL_DATABASE_LISTEN_URL",
                rule="only a Postgres server can be listened to",
                hint="set both database URLs to postgresql://…, or leave this one out",
            )
            return

"""The result of a check, the checks of the settings, and those of the webhooks in the ledger. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receiver.config.accounts import prefix_of
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.config.types import is_loopback
from receiver.events.model.event import EventType
from receiver.runtime.durations import format_duration
from receiver.store.accounts import AccountStatus
from receiver.store.url import LedgerFile, LedgerServer
from receiver.tasks.model.queue import QueueDepth
from receiver.webhooks.model.delivery import FanOutLag
from receiver.webhooks.model.endpoint_health import BreakerState, EndpointState, is_troubled
from receiver.webhooks.model.endpoint_status import EndpointStatus
from receiver.webhooks.model.request import DISABLED_MANUALLY
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from receiver.webhooks.model.views import subscription_breaker
from submitter.providers.contract import Account, Provider
from submitter.providers.registry import ADAPTERS

LONG_SECRET = 32  # characters; can not be guessed, whatever they are made of

SHORT_PROVIDER_SECRET = 16  # characters; every platform's signing key is longer

NAMED = 3  # subscriptions in one line

LONG_WAIT_MS = 900_000  # in the queue; longer than the tasks of a full account need to end

LONG_LAG_MS = 60_000  # of an event without deliveries; they take well under a second while a worker runs

_BLANK_MARKS = ("...", "xxx", "your", "change", "example", "<")  # what a copied example contains


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was checked, and what was found."""

    name: str
    level: Level
    what: str
    #: How to fix it; empty only with OK.
    hint: str = ""


def ok(name: str, what: str) -> Check:
    return Check(name=name, level=Level.OK, what=what)


def warn(name: str, what: str, *, hint: str) -> Check:
    return Check(name=name, level=Level.WARN, what=what, hint=hint)


def fail(name: str, what: str, *, hint: str) -> Check:
    return Check(name=name, level=Level.FAIL, what=what, hint=hint)


#: Part of the engine's message, and how to fix it. The empty text matches every message.
_FILE_HINTS: Mapping[str, str] = {
    "locked": "another program has locked it; find it with: fuser -v FILE",
    "readonly": "give this user the right to write the file and its folder",
    "unable to open": "give this user the right to read and write the file and its folder",
    "full": "free space on its disk",
    "": "check the file and its disk, or set WHENFINAL_DATABASE_URL to another file",
}

_REACH = "check that Postgres runs there, that this machine can reach it, and that WHENFINAL_DATABASE_URL is right"

_LOG_IN = "set the right user and password in WHENFINAL_DATABASE_URL; % and @ in them are written %25 and %40"

_SERVER_HINTS: Mapping[str, str] = {
    "password": _LOG_IN,
    "authentication failed": _LOG_IN,
    "role ": _LOG_IN,
    "not one that Postgres understands": _LOG_IN,
    "pg_hba": "allow this machine and user in the server's pg_hba.conf, or add ?sslmode=require to the URL",
    "database ": "create it once: createdb -E UTF8 NAME; or set the right name in WHENFINAL_DATABASE_URL",
    "permission denied": "GRANT CREATE, USAGE ON SCHEMA public and the tables' rights to this user",
    "read-only": "use the server that accepts writes, or add ?target_session_attrs=read-write to the URL",
    "recovery mode": "use the server that accepts writes, or add ?target_session_attrs=read-write to the URL",
    "too many": "lower WHENFINAL_DATABASE_POOL, or raise the server's max_connections",
    "connection slots": "lower WHENFINAL_DATABASE_POOL, or raise the server's max_connections",
    "encoding": "create another database: createdb -E UTF8 -T template0 NAME",
    "or newer": "run a newer server",
    "No space": "free space on the server's disk",
    "": _REACH,
}


def database_hint(place: LedgerFile | LedgerServer, message: str) -> str:
    """How to fix the engine's error: the hint of the first text that the message contains."""
    hints = _FILE_HINTS if isinstance(place, LedgerFile) else _SERVER_HINTS
    return next(hint for part, hint in hints.items() if part in message)


def broken_settings(error: ConfigError) -> tuple[Check, ...]:
    """A failed check for each problem of settings that can not be read."""
    lines = [line.strip() for line in error.problem.splitlines()[1:] if line.strip()]
    if not lines:
        return (fail("settings", error.problem, hint=error.hint),)
    parts = (line.partition("; ") for line in lines)
    return tuple(fail("settings", what, hint=hint or error.hint) for what, _, hint in parts)


def check_settings(settings: Settings, adapters: Mapping[str, Provider] = ADAPTERS) -> Iterator[Check]:
    """Whether the settings are sufficient, and their secrets strong enough."""
    yield _providers(settings, adapters)
    yield _public_url(settings)
    yield _secret_keys(settings)
    yield _api_keys(settings)
    for account in settings.providers.accounts:
        yield from _account(account, adapters)


def _providers(settings: Settings, adapters: Mapping[str, Provider]) -> Check:
    if settings.providers.accounts:
        return ok("providers", ", ".join(account.name for account in settings.providers.accounts))
    names = [prefix_of(name) + "API_KEY" for name, each in adapters.items() if each.CAPABILITIES.default_base_url]
    hint = f"set the key of at least one, in the environment or in .env: {', '.join(names)}"
    return fail("providers", "none is configured, so nothing can be submitted", hint=hint)


def _public_url(settings: Settings) -> Check:
    if settings.public_url is None:
        hint = "set WHENFINAL_PUBLIC_URL=https://… to where the internet reaches this service; polling works without it"
        return warn("public URL", "not set: no provider can call back, every task is polled", hint=hint)
    if is_loopback(settings.public_url):
        return ok("public URL", f"{settings.public_url}, for providers on this machine only")
    return ok("public URL", settings.public_url)


def _secret_keys(settings: Settings) -> Check:
    short = sum(len(key) < LONG_SECRET for key in settings.callbacks.secret_keys)
    if short:
        what = f"{short} of {len(settings.callbacks.secret_keys)} shorter than {LONG_SECRET} characters"
        hint = (
            "add a new last one to WHENFINAL_SECRET_KEYS: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
        return warn("secret keys", what, hint=hint)
    return ok(
        "secret keys",
        f"{len(settings.callbacks.secret_keys)} set"
        if settings.callbacks.secret_keys
        else "created and stored by the ledger",
    )


def _api_keys(settings: Settings) -> Check:
    short = [key.name for key in settings.api.keys if len(key.key) < LONG_SECRET]
    if short:
        hint = "use longer ones in WHENFINAL_API_KEYS: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        return warn("API keys", f"shorter than {LONG_SECRET} characters: {', '.join(short)}", hint=hint)
    return ok(
        "API keys",
        f"{len(settings.api.keys)} set" if settings.api.keys else "none set: the first start creates one and shows it",
    )


def _account(account: Account, adapters: Mapping[str, Provider]) -> Iterator[Check]:
    prefix = prefix_of(account.name)
    if any(mark in account.api_key.lower() for mark in _BLANK_MARKS):
        hint = f"set {prefix}API_KEY to the account's own key"
        yield warn(account.name, "its key looks like the placeholder of an example", hint=hint)
    if account.state_words:
        taught = ", ".join(f"{word} means {state}" for word, state in account.state_words.items())
        yield ok(account.name, f"is taught by {prefix}STATE_WORDS: {taught}")
    if not adapters[account.adapter].CAPABILITIES.callback:
        return
    if account.adapter == "hiapi" and account.webhook_secret is None:
        hint = f"set {prefix}WEBHOOK_SECRET to the signing key of the account, so that its signature is checked as well"
        yield warn(account.name, "callbacks are accepted with our token alone", hint=hint)
    if account.webhook_secret is not None and len(account.webhook_secret) < SHORT_PROVIDER_SECRET:
        hint = f"copy {prefix}WEBHOOK_SECRET again from the platform's console"
        yield warn(account.name, f"its webhook secret is shorter than {SHORT_PROVIDER_SECRET} characters", hint=hint)


def check_queues(depths: Sequence[QueueDepth], accounts: Iterable[AccountStatus], now_ms: int) -> Iterator[Check]:
    """How many tasks wait for room at each account, and since when."""
    known = {account.provider: account for account in accounts}
    for queue in depths:
        account = known.get(queue.provider)
        oldest = format_duration(now_ms - queue.oldest_ms)
        what = f"{queue.depth} queued, the oldest for {oldest}"
        hint = f"list them: whenfinal tasks list --state queued --provider {queue.provider}"
        if account is not None and account.are_submits_held(now_ms):
            yield warn(queue.provider, f"{what}; submits are held back: {account.submits_paused_reason}", hint=hint)
        elif now_ms - queue.oldest_ms > LONG_WAIT_MS:
            more = (
                f"{hint}; is a worker running, and is {prefix_of(queue.provider)}MAX_IN_FLIGHT as the account allows?"
            )
            yield warn(queue.provider, what, hint=more)
        else:
            yield ok(queue.provider, what)


def check_webhooks(
    statuses: Sequence[SubscriptionStatus], hosts: Sequence[EndpointStatus], dead: int, now_ms: int
) -> Iterator[Check]:
    """None without subscriptions and trouble. A subscription that was disabled manually is no problem.

    `hosts` are those of `notify` with trouble, `dead` counts all dead letters.
    """
    own_dead = dead - sum(each.dead for each in hosts)
    problems = [*_disabled(statuses), *_failing(statuses, now_ms), *_dead(own_dead), *_notify(hosts, now_ms)]
    yield from problems
    if statuses and not problems:
        yield ok("webhooks", f"{len(statuses)} subscribed, all working")


def check_fan_out(lag: FanOutLag | None, now_ms: int) -> Iterator[Check]:
    """Events that should have their deliveries by now, or cannot get them from this version."""
    if lag is None:
        return
    waiting = f"events without deliveries: {lag.events}, since {format_duration(max(0, now_ms - lag.at_ms))}"
    if lag.type not in frozenset(EventType):
        what = f"{waiting}; the first is of type {lag.type}, which this version does not know"
        yield fail("webhooks", what, hint="a newer version stored it: run that one everywhere")
    elif now_ms - lag.at_ms > LONG_LAG_MS:
        yield warn("webhooks", waiting, hint="start `whenfinal serve` or `whenfinal worker`; if one runs, see its log")


def _disabled(statuses: Sequence[SubscriptionStatus]) -> Iterator[Check]:
    found = [each.subscription for each in statuses if _is_disabled_by_failures(each.subscription)]
    if found:
        hint = "when its endpoint works again: whenfinal subscriptions resume ID; its pending deliveries have waited"
        yield warn("webhooks", f"disabled because of their answers: {_named(found)}", hint=hint)


def _is_disabled_by_failures(own: Subscription) -> bool:
    return own.state is SubscriptionState.DISABLED and own.disabled_reason != DISABLED_MANUALLY


def _failing(statuses: Sequence[SubscriptionStatus], now_ms: int) -> Iterator[Check]:
    found = [
        each.subscription
        for each in statuses
        if each.subscription.state is SubscriptionState.ACTIVE
        and subscription_breaker(each.endpoint, now_ms) is not BreakerState.CLOSED
    ]
    if found:
        hint = "see the last answer: whenfinal subscriptions show ID; end its pause: whenfinal subscriptions test ID"
        yield warn("webhooks", f"endpoints that keep failing: {_named(found)}", hint=hint)


def _dead(dead: int) -> Iterator[Check]:
    if dead:
        hint = "list them: whenfinal deliveries list --state dead; then: whenfinal replay ID --only dead"
        yield warn("webhooks", f"dead letters: {dead}", hint=hint)


def _notify(hosts: Sequence[EndpointStatus], now_ms: int) -> Iterator[Check]:
    """Hosts that tasks name in `notify`."""
    if failing := [each.endpoint for each in hosts if is_troubled(each.endpoint, now_ms)]:
        hint = "list them: whenfinal endpoints list --failing; when one works again: whenfinal endpoints resume HOST"
        yield warn("webhooks", f"hosts of notify that fail or are paused: {_named(failing)}", hint=hint)
    if with_dead := [each.endpoint for each in hosts if each.dead]:
        what = f"dead letters at hosts of notify: {sum(each.dead for each in hosts)}, at {_named(with_dead)}"
        hint = (
            "see why: whenfinal deliveries list --endpoint HOST; then: whenfinal endpoints resume HOST --dead-letters"
        )
        yield warn("webhooks", what, hint=hint)


def _named(found: Sequence[Subscription] | Sequence[EndpointState]) -> str:
    names = [each.id for each in found]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

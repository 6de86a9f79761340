"""The result of a check, and the checks of the settings. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from receiver.config.accounts import prefix_of
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.config.types import is_loopback
from receiver.store.url import LedgerFile, LedgerServer
from submitter import api_service
from submitter.providers.contract import Account, Provider
from submitter.providers.registry import ADAPTERS

LONG_SECRET = 32  # characters; can not be guessed, whatever they are made of

SHORT_PROVIDER_SECRET = 16  # characters; every platform's signing key is longer

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
    #: How many there are, and since when the oldest; None where there is nothing to count, or it is not known.
    count: int | None = None
    since_ms: int | None = None


def ok(name: str, what: str, *, count: int | None = None, since_ms: int | None = None) -> Check:
    return Check(name=name, level=Level.OK, what=what, count=count, since_ms=since_ms)


def warn(name: str, what: str, *, hint: str, count: int | None = None, since_ms: int | None = None) -> Check:
    return Check(name=name, level=Level.WARN, what=what, hint=hint, count=count, since_ms=since_ms)


def view(check: Check) -> api_service.Check:
    return api_service.Check.model_validate(
        {
            "name": check.name,
            "level": check.level.value,
            "what": check.what,
            "cure": check.hint,
            "count": check.count,
            "since_at": check.since_ms,
        }
    )


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
    yield from _short_api_keys(settings)
    for account in settings.providers.accounts:
        yield from _account(account, adapters)
        yield from _account_callback(account, settings, adapters)


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


def _short_api_keys(settings: Settings) -> Iterator[Check]:
    """How many work is in the row about the ledger, which may hold more of them."""
    short = [key.name for key in settings.api.keys if len(key.key) < LONG_SECRET]
    if short:
        hint = "use longer ones in WHENFINAL_API_KEYS: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        yield warn("API keys", f"shorter than {LONG_SECRET} characters: {', '.join(short)}", hint=hint)


def _account_callback(account: Account, settings: Settings, adapters: Mapping[str, Provider]) -> Iterator[Check]:
    """The address is not told here, because it holds a token, and whoever may only read may read checks."""
    if adapters[account.adapter].CAPABILITIES.account_callback and settings.public_url is not None:
        what = f"callbacks come to one address of the account; see: whenfinal callbacks address {account.name}"
        yield ok(account.name, what)


def _account(account: Account, adapters: Mapping[str, Provider]) -> Iterator[Check]:
    prefix = prefix_of(account.name)
    if any(mark in account.api_key.lower() for mark in _BLANK_MARKS):
        hint = f"set {prefix}API_KEY to the account's own key"
        yield warn(account.name, "its key looks like the placeholder of an example", hint=hint)
    if account.state_words:
        taught = ", ".join(f"{word} means {state}" for word, state in account.state_words.items())
        yield ok(account.name, f"is taught by {prefix}STATE_WORDS: {taught}")
    if adapters[account.adapter].CAPABILITIES.callback_secret and account.webhook_secret is None:
        hint = f"set {prefix}WEBHOOK_SECRET to the signing key of the account, so that its signature is checked as well"
        yield warn(account.name, "callbacks are accepted with our token alone", hint=hint)
    if account.webhook_secret is not None and len(account.webhook_secret) < SHORT_PROVIDER_SECRET:
        hint = f"copy {prefix}WEBHOOK_SECRET again from the platform's console"
        yield warn(account.name, f"its webhook secret is shorter than {SHORT_PROVIDER_SECRET} characters", hint=hint)

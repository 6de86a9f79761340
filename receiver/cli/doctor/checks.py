"""The value of a check, and the checks that need nothing but the settings. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from receiver.config.accounts import prefix_of
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.config.types import is_loopback
from receiver.store.url import LedgerFile, LedgerServer
from submitter.providers.contract import Account, Provider
from submitter.providers.registry import ADAPTERS

LONG_SECRET = 32  # characters that nobody guesses, whatever they were made of

SHORT_PROVIDER_SECRET = 16  # shorter than any signing key that a platform hands out

_BLANK_MARKS = ("...", "xxx", "your", "change", "example", "<")  # what people leave in a copied example


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`cure` is empty only when all is well."""

    name: str
    level: Level
    what: str
    hint: str = ""


def well(name: str, what: str) -> Check:
    return Check(name=name, level=Level.OK, what=what)


def warn(name: str, what: str, *, hint: str) -> Check:
    return Check(name=name, level=Level.WARN, what=what, hint=hint)


def fail(name: str, what: str, *, hint: str) -> Check:
    return Check(name=name, level=Level.FAIL, what=what, hint=hint)


#: What engines say, and what helps.
_FILE_CURES: Mapping[str, str] = {
    "locked": "another program holds it; see who with: fuser -v FILE",
    "readonly": "give this user the right to write the file and its folder",
    "unable to open": "give this user the right to read and write the file and its folder",
    "full": "free space on its disk",
    "": "see that the file is whole and its disk is well, or set WHENFINAL_DATABASE_URL to another one",
}

_REACH = "see that Postgres runs there, that this machine may reach it, and that WHENFINAL_DATABASE_URL is right"

_LOG_IN = "set the right user and password in WHENFINAL_DATABASE_URL; % and @ in them are written %25 and %40"

_SERVER_CURES: Mapping[str, str] = {
    "password": _LOG_IN,
    "authentication failed": _LOG_IN,
    "role ": _LOG_IN,
    "not one that Postgres understands": _LOG_IN,
    "pg_hba": "let this machine and user in by the server's pg_hba.conf, or add ?sslmode=require to the URL",
    "database ": "make it once: createdb -E UTF8 NAME; or set the right name in WHENFINAL_DATABASE_URL",
    "permission denied": "GRANT CREATE, USAGE ON SCHEMA public and the tables' rights to this user",
    "read-only": "name the server that can be written, or add ?target_session_attrs=read-write to the URL",
    "recovery mode": "name the server that can be written, or add ?target_session_attrs=read-write to the URL",
    "too many": "lower WHENFINAL_DATABASE_POOL, or raise the server's max_connections",
    "connection slots": "lower WHENFINAL_DATABASE_POOL, or raise the server's max_connections",
    "encoding": "make another database: createdb -E UTF8 -T template0 NAME",
    "or newer": "run a newer server",
    "No space": "free space on the server's disk",
    "": _REACH,
}


def database_hint(place: LedgerFile | LedgerServer, words: str) -> str:
    """For what the engine said when the ledger was opened; the first words that fit count."""
    hints = _FILE_CURES if isinstance(place, LedgerFile) else _SERVER_CURES
    return next(hint for part, hint in hints.items() if part in words)


def broken_settings(error: ConfigError) -> tuple[Check, ...]:
    """One check for each problem that stopped the reading of the settings."""
    lines = [line.strip() for line in error.problem.splitlines()[1:] if line.strip()]
    if not lines:
        return (fail("settings", error.problem, hint=error.hint),)
    parts = (line.partition("; ") for line in lines)
    return tuple(fail("settings", what, hint=hint or error.hint) for what, _, hint in parts)


def check_settings(settings: Settings, adapters: Mapping[str, Provider] = ADAPTERS) -> Iterator[Check]:
    """Settings that could be read: whether they are enough to work with, and strong enough."""
    yield _providers(settings, adapters)
    yield _public_url(settings)
    yield _secret_keys(settings)
    yield _api_keys(settings)
    for account in settings.providers.accounts:
        yield from _account(account, adapters)


def _providers(settings: Settings, adapters: Mapping[str, Provider]) -> Check:
    if settings.providers.accounts:
        return well("providers", ", ".join(account.name for account in settings.providers.accounts))
    names = [prefix_of(name) + "API_KEY" for name, each in adapters.items() if each.CAPABILITIES.default_base_url]
    hint = f"set the key of at least one, in the environment or in .env: {', '.join(names)}"
    return fail("providers", "none is configured, so nothing can be submitted", hint=hint)


def _public_url(settings: Settings) -> Check:
    if settings.public_url is None:
        hint = "set WHENFINAL_PUBLIC_URL=https://… to where the internet reaches this service; polling works without it"
        return warn("public URL", "not set: no provider can call back, every task is polled", hint=hint)
    if is_loopback(settings.public_url):
        return well("public URL", f"{settings.public_url}, for providers on this machine only")
    return well("public URL", settings.public_url)


def _secret_keys(settings: Settings) -> Check:
    short = sum(len(key) < LONG_SECRET for key in settings.callbacks.secret_keys)
    if short:
        what = f"{short} of {len(settings.callbacks.secret_keys)} shorter than {LONG_SECRET} characters"
        hint = (
            "add a new last one to WHENFINAL_SECRET_KEYS: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
        return warn("secret keys", what, hint=hint)
    return well(
        "secret keys",
        f"{len(settings.callbacks.secret_keys)} set"
        if settings.callbacks.secret_keys
        else "made and kept by the ledger",
    )


def _api_keys(settings: Settings) -> Check:
    short = [key.name for key in settings.api.keys if len(key.key) < LONG_SECRET]
    if short:
        hint = "use longer ones in WHENFINAL_API_KEYS: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        return warn("API keys", f"shorter than {LONG_SECRET} characters: {', '.join(short)}", hint=hint)
    return well(
        "API keys",
        f"{len(settings.api.keys)} set" if settings.api.keys else "none set: the first start makes one and shows it",
    )


def _account(account: Account, adapters: Mapping[str, Provider]) -> Iterator[Check]:
    prefix = prefix_of(account.name)
    if any(mark in account.api_key.lower() for mark in _BLANK_MARKS):
        hint = f"set {prefix}API_KEY to the account's own key"
        yield warn(account.name, "its key looks like the placeholder of an example", hint=hint)
    if not adapters[account.adapter].CAPABILITIES.callback:
        return
    if account.adapter == "hiapi" and account.webhook_secret is None:
        hint = f"set {prefix}WEBHOOK_SECRET to the signing key of the account, so that callbacks are proved twice"
        yield warn(account.name, "callbacks are taken on our own token alone", hint=hint)
    if account.webhook_secret is not None and len(account.webhook_secret) < SHORT_PROVIDER_SECRET:
        hint = f"copy {prefix}WEBHOOK_SECRET again from the platform's console"
        yield warn(account.name, f"its webhook secret is shorter than {SHORT_PROVIDER_SECRET} characters", hint=hint)

"""The settings of this process, from the environment and `.env`, and the log that they ask for.

Nothing else reads the environment.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.log import configure_logging
from receiver.store.open import ledger_at
from receiver.store.url import LedgerServer

DOTENV = Path(".env")


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Settings:
    """Read the environment and the file `.env` of the working directory; the environment wins.

    `environ` None means the real one, `dotenv` None no file. Raise ConfigError that names every problem.
    """
    real = os.environ if environ is None else environ
    written = _read_dotenv(dotenv) if dotenv is not None else {}
    return Settings.from_mapping({**written, **{name: text for name, text in real.items() if text.strip()}})


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        written = dotenv_values(path, interpolate=False)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.absolute()} is not UTF-8", hint="save it as UTF-8, or take it away") from error
    except OSError as error:
        problem = f"{path.absolute()} can not be read: {error.strerror}"
        raise ConfigError(problem, hint="let this user read it, or take it away") from error
    return {name: text for name, text in written.items() if text is not None}


def start_logging(settings: Settings) -> None:
    """Configure the log so that no secret of the settings reaches it. Call it once, before anything is logged."""
    configure_logging(settings.log, secrets=_secrets_of(settings))


def _secrets_of(settings: Settings) -> Iterator[str]:
    for account in settings.providers.accounts:
        yield account.api_key
        yield account.webhook_secret or ""
    yield from settings.callbacks.secret_keys
    yield from (key.key for key in settings.api.keys)
    for url in (settings.database.url, settings.database.listen_url):
        place = None if url is None else ledger_at(url)
        if isinstance(place, LedgerServer):
            yield place.password or ""

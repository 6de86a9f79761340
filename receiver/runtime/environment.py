"""The settings of this process, from the environment and `.env`, and the log that they ask for.

Nothing else reads the environment.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from receiver.config.settings import Settings, config_error, read_settings
from receiver.runtime.env_file import read_env_file
from receiver.runtime.log import configure_logging
from receiver.store.open import ledger_at
from receiver.store.url import LedgerServer

DOTENV = Path(".env")


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> Settings:
    """Read the environment and the file `.env` of the working directory; the environment wins.

    `environ` None means the real one, `dotenv` None no file. Raise ConfigError that names every problem of both.
    """
    real = os.environ if environ is None else environ
    written, unread = ({}, ()) if dotenv is None else read_env_file(dotenv)
    read = read_settings({**written, **{name: text for name, text in real.items() if text.strip()}})
    if isinstance(read, Settings) and not unread:
        return read
    raise config_error((*unread, *(() if isinstance(read, Settings) else read)))


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

"""From a database URL to the rooms of the store."""

from receiver.config.errors import ConfigError
from receiver.store.url import CURE, LedgerFile, LedgerServer, read_database_url


def ledger_at(database_url: str) -> LedgerFile | LedgerServer:
    """Where the ledger is. Raise ConfigError for a URL that names none."""
    place = read_database_url(database_url)
    if place is None:
        raise ConfigError("WHENFINAL_DATABASE_URL is not a database that this version can open", cure=CURE)
    return place

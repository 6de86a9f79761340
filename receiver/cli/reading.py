"""How a short listing reads its ledger: of the settings only the address, and no event loop.

What can not be read so is left to the whole command, with every setting checked, and it says what is wrong.
"""

from contextlib import AbstractContextManager

from receiver.config.errors import ConfigError
from receiver.runtime.environment import DOTENV, read_variables
from receiver.store.errors import Unsuited
from receiver.store.sqlite_look import Look, looking
from receiver.store.url import DEFAULT_URL, LedgerFile, is_in_memory, read_database_url

_ADDRESS, _SERVICE, _OURS = "WHENFINAL_DATABASE_URL", "WHENFINAL_URL", "WHENFINAL_"


def look_at_ledger() -> AbstractContextManager[Look]:
    """Raise Unsuited unless the ledger that is set is a SQLite file as it should be."""
    url = _address()
    place = None if is_in_memory(url) else read_database_url(url)
    if not isinstance(place, LedgerFile):
        raise Unsuited
    return looking(place.path)


def _address() -> str:
    """Raise Unsuited for a file `.env` with a problem, and where a running service is to be read."""
    try:
        if DOTENV.exists() and not DOTENV.is_file():
            raise Unsuited  # because a pipe can be read once only
        variables, unread = read_variables()
    except (OSError, ConfigError) as error:
        raise Unsuited from error
    if unread:
        raise Unsuited
    if _SERVICE in variables:
        raise Unsuited
    if _ADDRESS in variables:
        return variables[_ADDRESS].strip()
    if any(name.startswith(_OURS) for name in variables):
        raise Unsuited  # one of them may be the address under a name that is not quite right
    return DEFAULT_URL

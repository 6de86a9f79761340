"""The file of a SQLite ledger: created for its owner only, and compared with what is at its path.

SQLite goes on in a file that was deleted, moved or replaced, and what it commits there is lost.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

import structlog

from receiver.store.errors import LedgerGone

log = structlog.get_logger(__name__)

OWNER_ONLY = 0o600

#: What SQLite keeps beside a ledger, with the ledger's own mode.
COMPANIONS = ("-wal", "-shm")

#: Device and number of a file. While a file is open, no other file gets its number.
FileIdentity = tuple[int, int]


def ledger_files(path: Path) -> tuple[Path, ...]:
    """All that a ledger may consist of."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", *COMPANIONS))


def create_ledger_file(path: Path) -> Path:
    """Create an empty file that only its owner can read, whatever the umask; a file that is there stays as it is.

    Return the absolute path, because SQLite takes some names for something else than a file, such as `:memory:`. A file
    that cannot be created is left to SQLite, which says why.
    """
    with suppress(OSError):
        # Resolved, because a link that leads to no file yet would be created by SQLite with a wider mode. O_EXCL,
        # because closing a file that SQLite has open in this process would drop its locks.
        descriptor = os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY)
        os.fchmod(descriptor, OWNER_ONLY)
        os.close(descriptor)
    return path.absolute()


class OpenLedgerFile:
    """The files of a ledger as they were opened. Make it once every connection has read from the ledger.

    Any thread may check it.
    """

    def __init__(self, path: Path) -> None:
        real = path.resolve()  # SQLite puts the other files beside the ledger itself, not beside a link
        self._sized = ledger_files(real)[:2]
        paths = [path, *ledger_files(real)[1:]]
        found = {each: _identity(each) for each in paths}
        self._opened: Mapping[Path, FileIdentity] = {each: this for each, this in found.items() if this is not None}
        self._is_gone = False
        self._logging = Lock()

    def check(self) -> None:
        """Raise LedgerGone unless the ledger at its path is the one that is open.

        The first failure is logged, and the first success after it. A file that was moved away may come back.
        """
        for path, opened in self._opened.items():
            found = _identity(path)
            if found != opened:
                raise self._gone(path, is_replaced=found is not None)
        if self._is_gone and self._notes(is_gone=False):
            log.warning("ledger_back", ledger=str(next(iter(self._opened))))

    def sizes(self) -> tuple[int, int]:
        """Bytes of the ledger and of its write-ahead log; 0 for a file that is not there."""
        database, log_file = (size_of(each) for each in self._sized)
        return database, log_file

    def _notes(self, *, is_gone: bool) -> bool:
        """Whether this is news."""
        with self._logging:
            is_news = self._is_gone is not is_gone
            self._is_gone = is_gone
        return is_news

    def _gone(self, path: Path, *, is_replaced: bool) -> LedgerGone:
        problem = (
            f"another file is at {path} than the one that is open; restart this process to use it"
            if is_replaced
            else f"{path} is gone; put it back, or restart this process to begin a new one"
        )
        if self._notes(is_gone=True):
            log.error("ledger_gone", problem=problem, instead="requests are answered 503")
        return LedgerGone(problem)


def _identity(path: Path) -> FileIdentity | None:
    """None when there is no file that can be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def size_of(path: Path) -> int:
    """Bytes; 0 for a file that is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0

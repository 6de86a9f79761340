"""Copy the file of a ledger while it is in use."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from receiver.store.errors import StoreError
from receiver.store.ledger_file import OWNER_ONLY

WAIT_S = 5.0  # for others that lock the whole file


def back_up(ledger: Path, target: Path) -> int:
    """Copy a SQLite ledger that may be in use to a new file, check the copy, and return its bytes.

    Only its owner can read the copy. Raise StoreError, and leave no file, where the ledger cannot be read, the target
    is there already or cannot be written, or the copy is not whole.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
    except FileExistsError:
        raise StoreError(f"{target} is there already; nothing was overwritten") from None
    except OSError as error:
        raise StoreError(f"{target} cannot be created: {error.strerror}") from error
    try:
        _copy(ledger, target)
        return target.stat().st_size
    except BaseException as error:
        with suppress(OSError):
            target.unlink()
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreError(f"{target} was not written: {error}") from error
        raise


def _copy(ledger: Path, target: Path) -> None:
    """In one step, because each write of others between two steps would begin it anew. It holds up no writer."""
    address = f"{ledger.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=WAIT_S)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"{target} was not written: the copy is damaged: {found}")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

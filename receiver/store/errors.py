"""Errors of the ledger. `submitter.errors` draws the whole tree."""

from submitter.base_error import WhenfinalError


class StoreError(WhenfinalError):
    """The ledger could not do what was asked, and the transaction was rolled back as a whole."""


class StoreUnavailable(StoreError):
    """Locked for too long, disk full, read-only, or closed. Nothing was committed, and trying again may help."""


class LedgerGone(StoreUnavailable):
    """The ledger's file was deleted, moved or replaced under this process. It is logged once, where it is noticed."""


class SchemaBehind(StoreError):
    """The database lacks migrations of this program; `missing` names them."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"the database lacks {', '.join(missing)}; run `whenfinal migrate`")
        self.missing = missing


class SchemaAhead(StoreError):
    """The database has migrations that this program does not know; `unknown` names them."""

    #: What to do.
    hint = "install the version that it was used with, or restore the backup from before the update"

    def __init__(self, unknown: tuple[str, ...]) -> None:
        super().__init__(f"the ledger is of a newer version, which made {', '.join(unknown)} in it; {self.hint}")
        self.unknown = unknown


class TransferRefused(StoreError):
    """A ledger cannot be copied from there, or to there. The message names it and says what to do."""


class DatabaseMisconfigured(WhenfinalError):
    """The database cannot be opened as it is set. `hint` says what to set, in one line."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint


class Unsuited(Exception):
    """A way to read the ledger cannot do what is asked, and another one can. Nothing was changed."""

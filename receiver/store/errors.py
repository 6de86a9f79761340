"""Every error of the ledger; `submitter.errors` draws the whole tree."""

from submitter.errors import WhenfinalError


class StoreError(WhenfinalError):
    """Every error of the ledger; `submitter.errors` draws the whole tree."""


class StoreUnavailable(StoreError):
    """Every error of the ledger; `submitter.errors` draws the whole tree."""


class SchemaBehind(StoreError):
    """Every error of the ledger; `submitter.errors` draws the whole tree."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"the database lacks {', '.join(missing)}; run `whenfinal migrate`")
        self.missing = missing


class TransferRefused(StoreError):
    """Every error of the ledger; `submitter.errors` draws the whole tree."""


class DatabaseMisconfigured(WhenfinalError):
    """The database cannot be opened as it is set. `hint` says what to set, in one line."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint

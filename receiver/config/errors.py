"""Every exception of the receiver.

    ReceiverError
    ├── ConfigError           settings that are missing, malformed or contradict each other
    ├── TokenError            a callback token that does not count
    │   ├── ForgedToken       not made with one of our keys, or not a token at all
    │   └── ExpiredToken      ours, and older than a token may be
    └── StoreError            the ledger could not do what was asked; nothing was changed
        ├── StoreUnavailable  locked, full, read-only or gone: trying again may help
        ├── SchemaBehind      the database has not had all migrations
        └── MoveRefused       a ledger can not be copied from there, or to there

What a caller or a provider may rightly send is answered with values, not with these.
"""

from submitter.errors import WhenfinalError


class ConfigError(WhenfinalError):
    """`cure` says what to set, in one line."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint

"""What a start noticed of a ledger that lost its newest part; see `receiver.store.mark`. Pure."""

from dataclasses import dataclass

SHOWN_MS = 7 * 86_400_000  # how long a step back is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedBack:
    """The ledger lost what was stored after this event; `at_ms` is when a start noticed."""

    at_ms: int
    after_seq: int

    def is_recent(self, now_ms: int) -> bool:
        """Whether an operator may not have acted on it yet."""
        return now_ms - self.at_ms < SHOWN_MS

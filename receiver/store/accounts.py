"""What the ledger holds, as plain values. Times are unix milliseconds, made by the caller of a verb.

Pure. The store turns rows into these and back; every other room sees only these.
"""

from dataclasses import dataclass

from receiver.store.codec import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """A provider's shared purse of requests and whether it is paused. `alarm` asks for an operator."""

    provider: str
    tokens: float
    refilled_ms: int
    paused_until_ms: int | None = None
    paused_reason: str | None = None
    alarm: str | None = None


def account_of(row: Row) -> AccountStatus:
    return AccountStatus(
        provider=row["provider"],
        tokens=row["tokens"],
        refilled_ms=row["refilled_ms"],
        paused_until_ms=row["paused_until_ms"],
        paused_reason=row["paused_reason"],
        alarm=row["alarm"],
    )

"""Idempotency keys: the request bytes and the receipt that belong to each key."""

from dataclasses import dataclass

from submitter.simulator.task import Task


@dataclass(slots=True, kw_only=True)
class IdempotencyEntry:
    """One key in use."""

    #: SHA-256 of the first request's body.
    digest: bytes
    since_s: float
    #: None while the first request is still being processed.
    receipt: bytes | None = None
    task: Task | None = None


class IdempotencyKeys:
    """The keys of one account."""

    def __init__(self) -> None:
        self._keys: dict[str, IdempotencyEntry] = {}

    def look_up(self, key: str, digest: bytes, *, now_s: float, life_s: float) -> IdempotencyEntry | None:
        """Return the entry of `key`. Without one, open an entry, which `store_receipt` must close, and return None."""
        found = self._keys.get(key)
        if found is not None and now_s < found.since_s + life_s:
            return found
        self._keys[key] = IdempotencyEntry(digest=digest, since_s=now_s)
        return None

    def store_receipt(self, key: str, task: Task | None, receipt: bytes | None) -> None:
        """Store the receipt of the task created under `key`; remove the key if no task was created."""
        if receipt is None:
            self._keys.pop(key, None)
            return
        self._keys[key].receipt = receipt
        self._keys[key].task = task

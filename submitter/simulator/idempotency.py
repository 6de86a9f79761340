"""Idempotency keys: which receipt belongs to a key, and to which bytes the key is bound."""

from dataclasses import dataclass

from submitter.simulator.task import Task


@dataclass(slots=True, kw_only=True)
class Remembered:
    """One key in use. `receipt` is None while its first request is still being worked off."""

    digest: bytes
    since_s: float
    receipt: bytes | None = None
    task: Task | None = None


class IdempotencyKeys:
    """The keys of one account."""

    def __init__(self) -> None:
        self._keys: dict[str, Remembered] = {}

    def look_up(self, key: str, digest: bytes, *, now_s: float, life_s: float) -> Remembered | None:
        """What is known of `key`; None opens an entry for it, which `settle` must close."""
        found = self._keys.get(key)
        if found is not None and now_s < found.since_s + life_s:
            return found
        self._keys[key] = Remembered(digest=digest, since_s=now_s)
        return None

    def settle(self, key: str, task: Task | None, receipt: bytes | None) -> None:
        """Keep the receipt of a task created under `key`, or forget the key when none was."""
        if receipt is None:
            self._keys.pop(key, None)
            return
        self._keys[key].receipt = receipt
        self._keys[key].task = task

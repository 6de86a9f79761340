"""After downtime everything is due at once: polls begin with half of the rate budget, in the order of the ranking.

Downtime is that neither this process nor another one has used a provider's account for a while. The first run of a
process and a run after a long gap, as of a machine that slept, look for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from receiver.store.accounts import AccountStatus, ProviderAccountRepository
from submitter.providers.contract import Budget
from submitter.providers.schedule import halved

log = structlog.get_logger(__name__)

DOWN_MS = 60_000  # without a lease; a shorter gap is a busy machine

WARM_UP_MS = 60_000  # the longest window of the documented rate limits


@dataclass(slots=True, kw_only=True, eq=False)
class WarmUp:
    """One for a process."""

    accounts: ProviderAccountRepository
    #: Unix milliseconds.
    clock: Callable[[], int]
    _leased_ms: int | None = field(default=None, init=False)
    #: When each provider began to warm up.
    _since_ms: dict[str, int] = field(default_factory=dict, init=False)

    async def look(self) -> None:
        """Called before each lease. Raise StoreUnavailable."""
        now_ms, before_ms = self.clock(), self._leased_ms
        if before_ms is None or now_ms - before_ms >= DOWN_MS:
            self._begin(await self.accounts.all(), now_ms)
        self._leased_ms = now_ms

    def _begin(self, accounts: Iterable[AccountStatus], now_ms: int) -> None:
        for account in accounts:
            if now_ms - account.refilled_ms >= DOWN_MS:
                log.info("polls_warm_up", provider=account.provider, unused_ms=now_ms - account.refilled_ms)
                self._since_ms[account.provider] = now_ms

    def budget(self, provider: str, whole: Budget) -> Budget:
        """What polls may use now."""
        since_ms = self._since_ms.get(provider)
        if since_ms is None:
            return whole
        if 0 <= self.clock() - since_ms < WARM_UP_MS:
            return halved(whole)
        del self._since_ms[provider]
        return whole

"""Rate limits: one fixed window for each platform, which starts with its first request. Times are real seconds."""

from dataclasses import dataclass

from submitter.simulator.config import SimulatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The state of a window after a request."""

    limit: int
    remaining: int
    #: End of the window, unix seconds.
    reset_s: float
    is_over: bool


@dataclass(slots=True)
class _Window:
    ends_s: float = 0.0
    used: int = 0


class RateWindows:
    """The request counters of one simulator."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._windows: dict[str, _Window] = {}

    def count(self, platform: str, now_s: float) -> Allowance | None:
        """Count one request and return what is left, None without a limit.

        Refused requests count too, as they do at real gateways.
        """
        limit = self._config.limit(platform)
        if limit.requests is None:
            return None
        window = self._windows.setdefault(platform, _Window())
        if now_s >= window.ends_s:
            window.ends_s, window.used = now_s + self._config.real_s(limit.window_s), 0
        window.used += 1
        return Allowance(
            limit=limit.requests,
            remaining=max(0, limit.requests - window.used),
            reset_s=window.ends_s,
            is_over=window.used > limit.requests,
        )

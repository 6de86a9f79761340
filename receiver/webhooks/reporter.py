"""What is told of attempts to deliver: each is counted, and a delivery that is made or dies has a line in the log.

So has a provider that begins to be paused or to deny our key.
"""

from collections.abc import Sequence

import structlog

from receiver.events.model.event import EventDraft
from receiver.metrics.registry import Metrics
from receiver.metrics.shared_lines import SharedLines
from receiver.metrics.spans import Spans
from receiver.webhooks.model.delivery import AttemptResult, DeliveryState, DueDelivery

log = structlog.get_logger(__name__)

#: Classes of HTTP statuses; an endpoint may answer any number, or nothing.
CODE_CLASSES = frozenset({"1xx", "2xx", "3xx", "4xx", "5xx", "none"})


class DeliveryReporter:
    """One for a process."""

    def __init__(self, metrics: Metrics | None = None, spans: Spans | None = None) -> None:
        self._metrics = metrics or Metrics()
        self.spans = spans or Spans()
        self._lines = SharedLines(lambda deliveries: log.info("deliveries_made", deliveries=deliveries))
        self._duration = self._metrics.distribution("whenfinal_delivery_duration_seconds")
        self._new = self._metrics.count("whenfinal_delivery_connections", "false")
        self._reused = self._metrics.count("whenfinal_delivery_connections", "true")
        self._since_event = self._metrics.distribution("whenfinal_event_to_delivery_seconds")

    def attempted(self, due: DueDelivery, result: AttemptResult) -> None:
        """An attempt ended. It is told before it is recorded; one that cannot be recorded is made and told again."""
        attempt = result.attempt
        outcome = "failed" if result.state is DeliveryState.PENDING else result.state.value
        self._metrics.count("whenfinal_delivery_attempts", outcome, _class_of(attempt.status)).add()
        self._duration.observe(attempt.latency_ms / 1000)
        if result.state is DeliveryState.DELIVERED:
            ended_ms = attempt.at_ms + attempt.latency_ms
            self._since_event.observe(max(0, ended_ms - due.event_at_ms) / 1000)
            self._tell_made(due, result)
        elif result.state is DeliveryState.DEAD:
            log.warning(
                "delivery_dead",
                delivery=due.id,
                task=due.task_id,
                provider=due.provider,
                event_id=due.event_id,
                endpoint=due.endpoint_id,
                status=attempt.status,
                error=attempt.error,
                attempts=due.attempts + 1,
            )

    def replied(self, is_reused: bool) -> None:  # noqa: FBT001 - the transport calls it with nothing else
        """An endpoint answered, over a connection that was used before or a new one."""
        (self._reused if is_reused else self._new).add()

    def _tell_made(self, due: DueDelivery, result: AttemptResult) -> None:
        if not self._lines.may_write():
            self._lines.share(f"{due.id} {due.task_id} {due.event_id} {due.endpoint_id}")
            return
        log.info(
            "delivery_made",
            delivery=due.id,
            task=due.task_id,
            provider=due.provider,
            event_id=due.event_id,
            endpoint=due.endpoint_id,
            status=result.attempt.status,
            took_ms=result.attempt.latency_ms,
        )

    def flush(self) -> None:
        """For a clean stop."""
        self._lines.flush()


def tell_began(drafts: Sequence[EventDraft]) -> None:
    """Write a line for each event about a provider, after its commit: `provider_paused`, `provider_denied`."""
    for draft in drafts:
        notice = draft.data["provider"]
        log.warning(
            draft.type.replace(".", "_"),
            provider=notice.name,
            requests=notice.requests,
            reason=notice.reason,
            until=notice.until,
        )


def _class_of(status: int | None) -> str:
    word = "none" if status is None else f"{status // 100}xx"
    return word if word in CODE_CLASSES else "none"

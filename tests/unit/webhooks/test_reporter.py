"""What is told of attempts: counts by outcome and class of the answer, and lines with ids."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.events.model.event import EventType
from receiver.metrics.registry import Metrics
from receiver.metrics.shared_lines import MOST_A_SECOND
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.reporter import DeliveryReporter
from submitter.model import TaskId
from tests.support.builders import T0


def _due(number: int = 1) -> DueDelivery:
    return DueDelivery(
        id=f"dlv_{number}",
        owner="w",
        endpoint_id="sub_1",
        event_id=f"evt_{number}",
        event_type=EventType.SUCCEEDED,
        event_at_ms=T0,
        task_id=TaskId(f"tsk_{number}"),
        provider="hiapi",
        url="https://hooks.example",
        secrets=(),
        body="{}",
        attempts=2,
    )


def _result(state: DeliveryState, status: int | None = 204, **changes: Any) -> AttemptResult:
    values: dict[str, Any] = {"at_ms": T0 + 3000, "latency_ms": 500, "status": status, "error": None, "response": ""}
    attempt = Attempt(**(values | changes))
    return AttemptResult(delivery="dlv_1", owner="w", endpoint_id="sub_1", attempt=attempt, state=state)


@pytest.mark.parametrize(
    ("state", "status", "labels"),
    [
        (DeliveryState.DELIVERED, 204, ("delivered", "2xx")),
        (DeliveryState.PENDING, 503, ("failed", "5xx")),
        (DeliveryState.PENDING, None, ("failed", "none")),
        (DeliveryState.DEAD, 999, ("dead", "none")),
    ],
)
async def test_an_attempt_is_counted_by_outcome_and_class(
    state: DeliveryState, status: int | None, labels: tuple[str, str]
) -> None:
    metrics = Metrics()
    DeliveryReporter(metrics).attempted(_due(), _result(state, status))
    assert metrics.count("whenfinal_delivery_attempts", *labels).value == 1
    assert metrics.distribution("whenfinal_delivery_duration_seconds").sum == 0.5
    since_event = metrics.distribution("whenfinal_event_to_delivery_seconds").sum
    assert since_event == (3.5 if state is DeliveryState.DELIVERED else 0)


async def test_a_delivery_that_is_made_and_one_that_dies_have_their_ids_in_the_log() -> None:
    reporter = DeliveryReporter()
    ids = {"delivery": "dlv_1", "task": "tsk_1", "provider": "hiapi", "event_id": "evt_1", "endpoint": "sub_1"}
    with capture_logs() as lines:
        reporter.attempted(_due(), _result(DeliveryState.DELIVERED))
        reporter.attempted(_due(), _result(DeliveryState.PENDING, 500))
        reporter.attempted(_due(), _result(DeliveryState.DEAD, 500, error="answered 500"))
    made, dead = lines
    assert (made["event"], made["log_level"]) == ("delivery_made", "info")
    assert made.items() >= ids.items()
    assert (dead["event"], dead["log_level"]) == ("delivery_dead", "warning")
    assert dead.items() >= ids.items()
    assert (dead["error"], dead["attempts"]) == ("answered 500", 3)


async def test_deliveries_beyond_the_first_of_a_second_share_a_line() -> None:
    reporter = DeliveryReporter()
    with capture_logs() as lines:
        for number in range(MOST_A_SECOND + 2):
            reporter.attempted(_due(number), _result(DeliveryState.DELIVERED))
        reporter.flush()
    last = MOST_A_SECOND
    assert lines[-1]["deliveries"] == (
        f"dlv_{last} tsk_{last} evt_{last} sub_1, dlv_{last + 1} tsk_{last + 1} evt_{last + 1} sub_1"
    )
    assert len(lines) == MOST_A_SECOND + 1

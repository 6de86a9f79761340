"""Values for tests: each builder has sensible defaults and takes what the test is about."""

from typing import Any

from receiver.tasks.model.task import IncomingObservation, Task
from submitter.model import Observation, Output, ProviderTaskId, Receipt, Source, TaskError, TaskId, TaskKey, TaskState
from submitter.providers.contract import Budget

T0 = 1_790_000_000_000  # some moment, unix ms
BUDGET = Budget(per_s=10.0, burst=100, submits_count=False)
SECRET = "whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhlIHRlc3RzIQ=="


def a_task(name: str = "tsk_1", **changes: Any) -> Task:
    """A task at its opening, before the POST."""
    values: dict[str, Any] = {
        "id": TaskId(name),
        "provider": "hiapi",
        "state": TaskState.SUBMITTING,
        "model": "happyhorse-1.1/reference-to-video",
        "created_ms": T0,
        "next_poll_ms": T0 + 60_000,
        "request_hash": "hash",
    }
    return Task(**(values | changes))


def notified(name: str = "tsk_1", url: str = "https://hooks.example/a", **changes: Any) -> Task:
    return a_task(name, notify_url=url, notify_secret=SECRET, **changes)


def an_observation(state: TaskState = TaskState.SUCCEEDED, provider_task_id: str = "p1", **changes: Any) -> Observation:
    values: dict[str, Any] = {
        "key": TaskKey(provider=changes.pop("provider", "hiapi"), provider_task_id=ProviderTaskId(provider_task_id)),
        "state": state,
        "source": Source.POLL,
        "raw_state": state.value,
    }
    if state is TaskState.SUCCEEDED:
        values["outputs"] = (Output(url="https://cdn.example/v.mp4", expires_at_ms=T0 + 86_400_000),)
    if state is TaskState.FAILED:
        values["error"] = TaskError(code="TASK_FAILED", message="the picture was refused")
    return Observation(**(values | changes))


def a_receipt(provider_task_id: str = "p1", **changes: Any) -> Receipt:
    return Receipt(provider_task_id=ProviderTaskId(provider_task_id), **changes)


def a_report(
    state: TaskState = TaskState.SUCCEEDED, provider_task_id: str = "p1", **changes: Any
) -> IncomingObservation:
    """`expected_task_id`, `allow_adoption` and `next_poll_ms` go to the report, all else to its observation."""
    own = {
        name: changes.pop(name) for name in ("expected_task_id", "allow_adoption", "next_poll_ms") if name in changes
    }
    return IncomingObservation(observation=an_observation(state, provider_task_id, **changes), **own)

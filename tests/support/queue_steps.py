"""Steps of tests about the queue before an account, and the refusals that they script."""

from typing import Any

from receiver.tasks.model.task import Task
from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.submission_setup import Answer, SubmissionSetup, hiapi_error, hiapi_receipt

HOUR_MS = 3_600_000
#: Settings with which a task without room waits.
WAITS: dict[str, Any] = {"queue_for_s": 3600}
THROTTLED = hiapi_error(429, "RATE_LIMITED", "too fast")
CROWDED = hiapi_error(429, "CONCURRENCY_LIMITED", "too many tasks at once")


def receipts(*numbers: int) -> list[Answer]:
    return [hiapi_receipt(f"p{number}") for number in numbers]


async def states_of(setup: SubmissionSetup, *tasks: Task) -> list[str]:
    return [(await setup.stored(task)).state.value for task in tasks]


async def events_of(setup: SubmissionSetup) -> list[tuple[str, str | None]]:
    """Those about tasks: that a provider holds back submits is told to operators as well."""
    return [(event.type, event.task_id) for event in await setup.store.events.events(0) if event.task_id is not None]


async def ends(setup: SubmissionSetup, task: Task, number: int) -> None:
    """The provider reports the success of the task to which it gave this number."""
    await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, f"p{number}")], setup.clock())

"""Who wins when two speak of one task: what proves that it exists wins over what says that it does not."""

from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.model.submit_result import Submitted
from receiver.tasks.model.task import Task, TaskFilter
from submitter.errors import TransportError
from submitter.http.messages import HttpReply
from submitter.model import Source, TaskId, TaskState
from tests.support.builders import a_report
from tests.support.submission_setup import SubmissionSetup, a_request, hiapi_error, submission_setup

#: Replies that alone say "nothing was created", and one that says nothing.
SPOKEN: dict[str, HttpReply | TransportError] = {
    "invalid": hiapi_error(400, "invalid_request"),
    "denied": hiapi_error(401, "unauthorized"),
    "quota": hiapi_error(402, "insufficient_credits"),
    "lost": TransportError("the connection was lost"),
}


async def _only_task(setup: SubmissionSetup) -> Task:
    (task,) = (await setup.store.tasks.tasks(TaskFilter())).items
    return task


@pytest.mark.parametrize("state", [TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED])
@pytest.mark.parametrize("spoken", SPOKEN)
async def test_a_callback_that_proves_the_task_wins_over_the_reply_to_its_submit(
    tmp_path: Path, spoken: str, state: TaskState
) -> None:
    async with submission_setup(tmp_path / "a.db", submit_tries=1) as setup:

        async def post() -> object:
            task = await _only_task(setup)
            report = a_report(state, source=Source.CALLBACK, expected_task_id=TaskId(task.id))
            await setup.store.ledger.record([report], setup.clock())
            answer: Any = SPOKEN[spoken]
            if isinstance(answer, TransportError):
                raise answer
            return answer

        setup.transport.script = (post,)
        result = await setup.submission.submit(a_request(idempotency_key="k"))
        assert isinstance(result, Submitted)
        stored = await setup.stored(result.task)
        assert (result.task.state, stored.state) == (state, state)
        assert (stored.provider_task_id, stored.refusal) == ("p1", None)
        again = await setup.submission.submit(a_request(idempotency_key="k"))
        assert isinstance(again, Submitted)
        assert (again.task.id, len(setup.transport.sent)) == (stored.id, 1)
        events = [event.type for event in await setup.store.events.events(0) if event.task_id is not None]
        assert events == ([] if state is TaskState.RUNNING else [f"task.{state.value}"])

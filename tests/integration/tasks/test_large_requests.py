"""Requests with large pictures: others do not wait for them."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.tasks.model.submit_result import RefusedSubmit, Submitted
from receiver.tasks.queue_repository import Claimed
from submitter.errors import InvalidRequest
from submitter.model import TaskState
from submitter.request import RawRequest
from tests.support.builders import a_report
from tests.support.submission_setup import (
    SubmissionSetup,
    a_request,
    dashscope_receipt,
    hiapi_error,
    hiapi_receipt,
    submission_setup,
)

LARGE = "data:image/png;base64," + "A" * (2 << 20)


def _pictures(picture: str, **changes: Any) -> Any:
    body = {"model": "m", "input": {"prompt": "p", "images": [picture]}}
    return a_request(video=None, raw=RawRequest(body=body), **changes)


def _recording(setup: SubmissionSetup) -> list[bool]:
    """Whether each callback URL, which a draft needs, was made in the thread of the event loop."""
    made: list[bool] = []
    usual = setup.submission.drafts.callback_url
    assert usual is not None

    def callback_url(*given: Any) -> str:
        made.append(threading.current_thread() is threading.main_thread())
        return usual(*given)

    drafts = replace(setup.submission.drafts, callback_url=callback_url)
    setup.submission = replace(setup.submission, drafts=drafts)
    setup.sender.submission = setup.submission
    return made


@pytest.mark.parametrize(("picture", "on_the_loop"), [("data:image/png;base64,AAAA", True), (LARGE, False)])
async def test_a_large_request_is_drafted_off_the_event_loop(tmp_path: Path, picture: str, on_the_loop: bool) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt("p1"), queue_for_s=3600) as setup:
        made = _recording(setup)
        sent = await setup.submission.submit(_pictures(picture))
        assert isinstance(sent, Submitted)
        assert (sent.task.state, made[0]) == (TaskState.SUBMITTED, on_the_loop)
        assert picture in setup.transport.sent[0].body.decode()


async def test_a_large_request_is_tried_again_under_its_key_off_the_event_loop(tmp_path: Path) -> None:
    script = (hiapi_error(402, "INSUFFICIENT_BALANCE"), hiapi_receipt("p1"))
    async with submission_setup(tmp_path / "ledger.db", *script) as setup:
        request = _pictures(LARGE, idempotency_key="k")
        first = await setup.submission.submit(request)
        assert isinstance(first, RefusedSubmit)
        made = _recording(setup)
        again = await setup.submission.submit(request)
        assert isinstance(again, Submitted)
        assert (again.task.id, made[:2]) == (first.task.id, [False, False])
        assert setup.transport.sent[0] == setup.transport.sent[1]


async def test_a_large_queued_request_is_prepared_off_the_event_loop_and_sent_once(tmp_path: Path) -> None:
    script = (hiapi_receipt("p1"), hiapi_receipt("p2"))
    async with submission_setup(tmp_path / "ledger.db", *script, limits={"hiapi": 1}, queue_for_s=3600) as setup:
        await setup.submitted(a_request(prompt="in flight"))
        queued = await setup.submitted(_pictures(LARGE))
        assert queued.state is TaskState.QUEUED
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], setup.clock())
        made = _recording(setup)
        found = await asyncio.gather(*[setup.submission.claim_next("hiapi") for _ in range(4)])
        (claimed,) = [each for each in found if isinstance(each, Claimed)]
        assert (claimed.task.id, made[0]) == (queued.id, False)
        assert LARGE in claimed.submit.call.body.decode()
        assert (await setup.stored(queued)).state is TaskState.SUBMITTING


async def test_a_large_queued_task_that_was_canceled_meanwhile_is_not_sent(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt("p1"), limits={"hiapi": 1}) as setup:
        await setup.submitted(a_request(prompt="in flight"))
        queued = await setup.submitted(_pictures(LARGE, queue_for_s=3600))
        await setup.store.ledger.record([a_report(TaskState.SUCCEEDED, "p1")], setup.clock())
        usual = setup.submission.drafts.callback_url
        assert usual is not None
        loop = asyncio.get_running_loop()

        def callback_url(*given: Any) -> str:
            canceled = setup.store.queue.cancel(queued.id, actor="ann", now_ms=setup.clock())
            asyncio.run_coroutine_threadsafe(canceled, loop).result(timeout=20)
            return usual(*given)

        setup.submission = replace(setup.submission, drafts=replace(setup.submission.drafts, callback_url=callback_url))
        assert await setup.submission.claim_next("hiapi") is None
        assert (await setup.stored(queued)).state is TaskState.CANCELED


async def test_a_large_request_that_breaks_a_rule_makes_no_task(tmp_path: Path) -> None:
    async with submission_setup(tmp_path / "ledger.db", dashscope_receipt()) as setup:
        with pytest.raises(InvalidRequest):
            await setup.submission.submit(_pictures(LARGE, priority=10))
        assert setup.transport.sent == []

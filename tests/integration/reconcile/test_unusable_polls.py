"""Replies to polls that could not be used, over a scripted transport and a real ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.reconcile.model.report import ManualRequest, ReconcileFilter, ReconcileMode
from receiver.tasks.model.timeline import TimelineEntry
from submitter.errors import ExchangeTimeout
from submitter.http.messages import HttpReply
from submitter.model import TaskId
from tests.support.reconcile_setup import ReconcileSetup, hiapi, open_reconcile_setup
from tests.support.submission_setup import reply


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[ReconcileSetup]:
    async with open_reconcile_setup(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("answer", "reason", "shown"),
    [
        (
            HttpReply(status=502, body=b"<html>\x1b[2J502 for key-of-hiapi</html>"),
            "502",
            "<html>\x1b[2J502 for [hidden]</html>",
        ),
        (reply({"code": 401, "message": "bad key key-of-hiapi"}, 401), "answered 401", "bad key [hidden]"),
        (reply({"code": 200, "data": {"taskId": "p2", "status": "success"}}), "", '"taskId"'),
    ],
    ids=["html", "denied", "another task"],
)
async def test_the_reply_to_a_poll_that_could_not_be_used_is_on_the_timeline_without_our_key(
    setup: ReconcileSetup, answer: HttpReply, reason: str, shown: str
) -> None:
    await setup.add_task()
    setup.transport.answer("p1", answer)
    await setup.run()
    (entry,) = await _unusable(setup)
    assert reason in entry.detail["reason"]
    assert shown in entry.detail["reply"]
    assert "key-of-hiapi" not in str(entry)


async def test_polls_that_are_useless_for_hours_and_a_good_answer_between_are_few_lines(setup: ReconcileSetup) -> None:
    await setup.add_task()
    bad, good = HttpReply(status=500, body=b"upstream"), hiapi("handling")
    setup.transport.answer("p1", *[bad] * 6, good, *[bad] * 6, ExchangeTimeout("no answer within 30 s"), bad)
    for _ in range(40):
        await setup.run(after_s=700)
    lines = [(entry.detail["reason"], entry.detail.get("times", 1)) for entry in await _unusable(setup)]
    assert [times for _, times in lines] == [12, 1, 26]
    assert "no answer within 30 s" in lines[1][0]


async def test_a_preview_of_a_manual_reconcile_keeps_no_reply(setup: ReconcileSetup) -> None:
    await setup.add_task()
    setup.transport.answer("p1", HttpReply(status=500, body=b"upstream"))
    request = ManualRequest(condition=ReconcileFilter(), mode=ReconcileMode.DRY_RUN, actor="ops")
    await setup.manual.run(request)
    assert await _unusable(setup) == []


async def _unusable(setup: ReconcileSetup) -> list[TimelineEntry]:
    timeline = await setup.store.tasks.timeline(TaskId("tsk_1"))
    return [entry for entry in timeline if entry.detail.get("verdict") == "unusable"]

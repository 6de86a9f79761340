"""Reconcile by hand over a real ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.reconcile.model.decisions import Finding, Plan
from receiver.reconcile.model.report import ReconcileFilter, ReconcileSummary
from submitter.http.messages import HttpReply
from submitter.model import TaskId, TaskState
from tests.support.builders import BUDGET, T0
from tests.support.reconcile_setup import Scene, a_scene, hiapi, json_reply, modellix

ALL = ReconcileFilter()
FAR_MS = T0 + 3_600_000


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path) as opened:
        yield opened


async def _order(
    scene: Scene, condition: ReconcileFilter = ALL, *, dry_run: bool = False, ask: bool = False
) -> ReconcileSummary:
    return await scene.reconciler.by_hand(condition, dry_run=dry_run, ask=ask, actor="ops")


async def _audits(scene: Scene, name: str = "tsk_1") -> list[str]:
    return [note.kind for note in await scene.store.tasks.timeline(TaskId(name)) if note.kind == "audit"]


async def test_a_dry_run_says_what_it_would_ask_and_asks_nobody(scene: Scene) -> None:
    await scene.has(next_poll_ms=FAR_MS)
    report = await _order(scene, dry_run=True)
    (line,) = report.tasks
    assert (line.task_id, line.plan, line.finding, line.after) == ("tsk_1", Plan.ASK, None, None)
    assert (report.asked, report.changed, scene.wire.asked) == (0, 0, [])


async def test_a_dry_run_that_asks_says_what_would_change_and_changes_nothing(scene: Scene) -> None:
    await scene.has(next_poll_ms=FAR_MS)
    before = await scene.task()
    scene.wire.answer("p1", hiapi("success"))
    report = await _order(scene, dry_run=True, ask=True)
    assert (report.asked, report.changed, report.tasks[0].after) == (1, 1, TaskState.SUCCEEDED)
    assert (await scene.task(), await scene.store.events.last_seq(), await _audits(scene)) == (before, 0, [])


async def test_an_order_asks_at_once_records_and_leaves_an_audit_line(scene: Scene) -> None:
    await scene.has(next_poll_ms=FAR_MS)
    scene.wire.answer("p1", hiapi("success"))
    report = await _order(scene)
    (line,) = report.tasks
    assert (line.state, line.after, line.finding) == (TaskState.RUNNING, TaskState.SUCCEEDED, Finding.STATED)
    assert (report.asked, report.changed, report.skipped) == (1, 1, 0)
    assert ((await scene.task()).state, await _audits(scene)) == (TaskState.SUCCEEDED, ["audit"])


async def test_an_order_keeps_to_its_filter(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2", provider="modellix")
    scene.wire.answer("p1", hiapi("handling"))
    scene.wire.answer("p2", modellix("processing", "p2"))
    await _order(scene, ReconcileFilter(provider="modellix"))
    await _order(scene, ReconcileFilter(task="p1"))
    await _order(scene, ReconcileFilter(older_than_s=60))
    assert scene.wire.asked == ["p2", "p1"]


async def test_an_order_leaves_alone_what_a_turn_is_asking_about(scene: Scene) -> None:
    await scene.has()
    await scene.store.polls.lease_due("hiapi", budget=BUDGET, owner="worker-2", now_ms=T0, lease_ms=60_000, limit=1)
    report = await _order(scene)
    assert (report.asked, report.skipped, scene.wire.asked) == (0, 1, [])


async def test_an_order_does_not_touch_a_submit_that_is_under_way(scene: Scene) -> None:
    await scene.has(provider_task_id=None, next_poll_ms=T0 + 60_000)
    report = await _order(scene)
    assert report.tasks[0].skipped == "its submit is still under way"
    assert (await scene.task()).state is TaskState.SUBMITTING


async def test_an_uncertain_submit_without_a_key_is_left_for_a_person(scene: Scene) -> None:
    await scene.has(provider_task_id=None, state=TaskState.UNCERTAIN, next_poll_ms=None, provider="modellix")
    report = await _order(scene)
    assert report.tasks[0].skipped == "only a callback or a person can settle it"


async def test_a_task_of_a_provider_that_is_no_longer_configured_is_skipped(scene: Scene) -> None:
    await scene.has(provider="gone")
    report = await _order(scene)
    assert (report.skipped, report.tasks[0].skipped) == (1, "the provider is not configured")


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_provider_that_throttles_is_asked_no_further(tmp_path: Path, dry_run: bool) -> None:
    async with a_scene(tmp_path, concurrency=2) as scene:
        for index in range(5):
            await scene.has(f"tsk_{index}", f"p{index}")
            scene.wire.answer(f"p{index}", json_reply({"code": 429, "message": "slow down"}, 429))
        report = await _order(scene, dry_run=dry_run, ask=True)
        assert (report.asked, report.skipped, scene.wire.asked) == (1, 4, ["p0"])


async def test_what_is_asked_by_hand_is_taken_from_the_purse(scene: Scene) -> None:
    for index in range(12):
        await scene.has(f"tsk_{index}", f"p{index}")
        scene.wire.answer(f"p{index}", hiapi("handling", f"p{index}"))
    await _order(scene)
    (account,) = await scene.store.accounts.all()
    assert account.tokens < 0


async def test_a_fault_in_one_look_fails_no_other(scene: Scene) -> None:
    await scene.has("tsk_1", "p1")
    await scene.has("tsk_2", "p2")
    scene.wire.answer("p1", ZeroDivisionError("a bug"))
    scene.wire.answer("p2", hiapi("success", "p2"))
    report = await _order(scene)
    assert {line.task_id: line.finding for line in report.tasks} == {
        "tsk_1": Finding.UNAVAILABLE,
        "tsk_2": Finding.STATED,
    }


async def test_two_orders_at_once_ask_about_a_task_only_once(scene: Scene) -> None:
    orders: list[ReconcileSummary] = []

    async def while_another_order_comes() -> HttpReply:
        orders.append(await _order(scene))
        return hiapi("success")

    await scene.has()
    scene.wire.answer("p1", while_another_order_comes)
    orders.append(await _order(scene))
    assert [order.asked for order in orders] == [0, 1]

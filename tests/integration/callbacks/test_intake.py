"""Callbacks over a real ledger: whose they are, and what they count for."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from receiver.callbacks.intake import Intake
from receiver.callbacks.model import (
    Accepted,
    IntakeOutcome,
    Malformed,
    Unauthenticated,
    UnknownProvider,
    make_callback_token,
)
from receiver.events.model.event import EventType
from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from receiver.tasks.group_commit import GroupCommit
from receiver.tasks.model.task import Task, TaskMismatch, Verdict
from submitter.http.messages import Callback
from submitter.model import ProviderTaskId, TaskId, TaskState
from submitter.providers.contract import ConfiguredProvider
from submitter.providers.hiapi_signature import signature
from submitter.providers.registry import ADAPTERS
from tests.support.builders import T0, a_task
from tests.support.reconcile_setup import a_provider, an_account

KEYS = ("a-secret-key-of-the-tests-1", "a-secret-key-of-the-tests-2")
SECRET = "example-signing-secret-0001"
DAY_S = 86_400
APPLIED, DUPLICATE = Accepted(verdict=Verdict.APPLIED), Accepted(verdict=Verdict.DUPLICATE)


@dataclass(eq=False)
class IntakeSetup:
    """`hiapi` has no webhook secret, `signed` is a second HiAPI account that has one."""

    store: Store
    intake: Intake

    async def add_task(self, name: str = "tsk_1", provider_task_id: str | None = "p1", **changes: Any) -> None:
        state = TaskState.SUBMITTING if provider_task_id is None else TaskState.SUBMITTED
        values: dict[str, Any] = {
            "provider_task_id": provider_task_id,
            "state": state,
            "next_poll_ms": T0 + 180_000,
        } | changes
        await self.store.submissions.open_task(a_task(name, **values), T0)

    async def task(self, name: str = "tsk_1") -> Task:
        task = await self.store.tasks.task(TaskId(name))
        assert task is not None
        return task

    async def receive(self, callback: Callback, token: str | None, provider: str = "hiapi") -> IntakeOutcome:
        return await self.intake.receive(provider, token, callback)

    async def events(self) -> list[str]:
        return [event.type for event in await self.store.events.events(0)]


@asynccontextmanager
async def _intake_setup(url: str) -> AsyncIterator[IntakeSetup]:
    signed = ConfiguredProvider(
        adapter=ADAPTERS["hiapi"], account=replace(an_account("signed", "hiapi"), webhook_secret=SECRET)
    )
    async with open_store(url, clock=lambda: T0, migrating=True, busy_timeout_ms=500) as store:
        intake = Intake(
            providers={"signed": signed, **{name: a_provider(name) for name in ("hiapi", "dashscope", "modellix")}},
            keys=KEYS,
            provider_keys=AsyncMock(),
            max_age_s=30 * DAY_S,
            commits=GroupCommit(store.ledger, clock=lambda: T0, on_events=lambda: None),
            ledger=store.ledger,
            tasks=store.tasks,
            clock=lambda: T0,
            next_poll_of=lambda _: T0 + 180_000,
            refresh=AsyncMock(),
        )
        yield IntakeSetup(store=store, intake=intake)


@pytest.fixture(name="setup")
async def _setup(tmp_path: Path) -> AsyncIterator[IntakeSetup]:
    async with _intake_setup(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def a_token(
    task_id: str | None = "tsk_1", provider: str = "hiapi", *, made_s: int = T0 // 1000, key: str = KEYS[1]
) -> str:
    named = None if task_id is None else TaskId(task_id)
    return make_callback_token([key], provider=provider, task_id=named, now_s=made_s)


def a_callback(status: str = "success", provider_task_id: str = "p1", *, bare: bool = False) -> Callback:
    data: dict[str, Any] = {"taskId": provider_task_id, "status": status, "created": 1, "completed": 2}
    if status == "success" and not bare:
        data["output"] = [{"url": "https://cdn.example/v.mp4", "type": "video"}]
    return Callback(headers=(("content-type", "application/json"),), body=json.dumps(data).encode())


def signed(callback: Callback, *, at_s: int = T0 // 1000, secret: str = SECRET) -> Callback:
    proof = signature(secret, str(at_s), callback.body).decode()
    headers = (*callback.headers, ("x-hiapi-timestamp", str(at_s)), ("x-hiapi-signature", proof))
    return replace(callback, headers=headers)


def a_finish_event(provider_task_id: str = "p1", status: str = "SUCCEEDED") -> Callback:
    event = {
        "source": "acs.dashscope",
        "type": "dashscope:System:AsyncTaskFinish",
        "data": {"task_id": provider_task_id, "task_status": status},
    }
    return Callback(body=json.dumps(event).encode())


async def test_a_callback_with_the_tasks_token_ends_the_task_with_one_event(setup: IntakeSetup) -> None:
    await setup.add_task()
    assert await setup.receive(a_callback(), a_token()) == APPLIED
    assert ((await setup.task()).state, await setup.events()) == (TaskState.SUCCEEDED, [EventType.SUCCEEDED])


async def test_a_callback_that_quotes_our_key_is_stored_without_it(setup: IntakeSetup) -> None:
    await setup.add_task()
    body = {"taskId": "p1", "status": "fail", "error": {"code": "E", "message": "no rights for key-of-hiapi"}}
    assert await setup.receive(Callback(body=json.dumps(body).encode()), a_token()) == APPLIED
    (event,) = await setup.store.events.events(0)
    assert '"no rights for [hidden]"' in event.body


async def test_the_same_callback_again_is_a_duplicate_without_an_event(setup: IntakeSetup) -> None:
    await setup.add_task()
    outcomes = await asyncio.gather(*(setup.receive(a_callback(), a_token()) for _ in range(10)))
    assert [outcome for outcome in outcomes if outcome != DUPLICATE] == [APPLIED]
    assert await setup.events() == [EventType.SUCCEEDED]


async def test_a_contradicting_callback_is_counted_and_changes_nothing(setup: IntakeSetup) -> None:
    await setup.add_task()
    await setup.receive(a_callback(), a_token())
    assert await setup.receive(a_callback("fail"), a_token()) == Accepted(verdict=Verdict.CONTRADICTION)
    assert ((await setup.task()).state, await setup.events()) == (TaskState.SUCCEEDED, [EventType.SUCCEEDED])


@pytest.mark.parametrize("state", [TaskState.SUBMITTING, TaskState.UNCERTAIN])
async def test_a_callback_that_beats_the_receipt_finds_its_task(setup: IntakeSetup, state: TaskState) -> None:
    await setup.add_task(provider_task_id=None, state=state)
    assert await setup.receive(a_callback(), a_token()) == APPLIED
    assert ((await setup.task()).state, (await setup.task()).provider_task_id) == (TaskState.SUCCEEDED, "p1")


async def test_a_sign_of_life_makes_an_uncertain_task_polled_again(setup: IntakeSetup) -> None:
    await setup.add_task(provider_task_id=None, state=TaskState.UNCERTAIN, next_poll_ms=None)
    assert await setup.receive(a_callback("handling"), a_token()) == APPLIED
    assert ((await setup.task()).state, (await setup.task()).next_poll_ms) == (TaskState.RUNNING, T0 + 180_000)


async def test_a_provider_that_is_not_configured_is_named_before_anything_is_read(setup: IntakeSetup) -> None:
    assert await setup.receive(a_callback(), "garbage", "nobody") == UnknownProvider()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        "\x00",
        "…",
        "a" * 100_000,
        a_token(key="a-key-that-is-not-ours-at-all"),
        a_token(made_s=T0 // 1000 - 31 * DAY_S),
        a_token(provider="signed"),
        a_token()[:-1],
    ],
    ids=["empty", "garbage", "NUL", "non-ASCII", "long", "other key", "expired", "other provider", "cut"],
)
async def test_a_token_that_is_not_right_for_this_path_counts_for_nothing(setup: IntakeSetup, token: str) -> None:
    await setup.add_task()
    assert isinstance(await setup.receive(a_callback(), token), Unauthenticated)
    assert (await setup.task()).state is TaskState.SUBMITTED


async def test_a_token_made_with_an_older_key_still_counts(setup: IntakeSetup) -> None:
    await setup.add_task()
    assert await setup.receive(a_callback(), a_token(key=KEYS[0])) == APPLIED


async def test_a_token_never_works_for_another_task(setup: IntakeSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    outcome = await setup.receive(a_callback(provider_task_id="p2"), a_token("tsk_1"))
    assert isinstance(outcome, TaskMismatch)
    assert {(await setup.task(name)).state for name in ("tsk_1", "tsk_2")} == {TaskState.SUBMITTED}


async def test_a_token_of_a_task_that_we_do_not_have_is_not_ours(setup: IntakeSetup) -> None:
    assert isinstance(await setup.receive(a_callback(), a_token("tsk_gone")), Unauthenticated)


async def test_a_callback_with_neither_token_nor_signature_is_not_ours(setup: IntakeSetup) -> None:
    await setup.add_task()
    assert isinstance(await setup.receive(a_callback(), None), Unauthenticated)


async def test_a_token_of_the_whole_account_does_not_count_for_a_message_with_a_result(setup: IntakeSetup) -> None:
    await setup.add_task()
    assert isinstance(await setup.receive(a_callback(), a_token(None)), Unauthenticated)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"taskId":7}', b"[" * 100_000])
async def test_a_body_that_no_document_describes_is_malformed(setup: IntakeSetup, body: bytes) -> None:
    await setup.add_task()
    assert isinstance(await setup.receive(Callback(body=body), a_token()), Malformed)


async def test_a_provider_that_never_calls_back_has_only_malformed_callbacks(setup: IntakeSetup) -> None:
    outcome = await setup.receive(a_callback(), a_token(provider="modellix"), "modellix")
    assert isinstance(outcome, Malformed)


async def test_a_right_signature_needs_no_token(setup: IntakeSetup) -> None:
    await setup.add_task(provider="signed")
    assert await setup.receive(signed(a_callback()), None, "signed") == APPLIED


async def test_a_rightly_signed_callback_of_an_unknown_task_adopts_it(setup: IntakeSetup) -> None:
    assert await setup.receive(signed(a_callback(provider_task_id="elsewhere")), None, "signed") == APPLIED
    task = await setup.store.tasks.task_by_key("signed", ProviderTaskId("elsewhere"))
    assert task is not None
    assert (task.adopted, task.state, await setup.events()) == (True, TaskState.SUCCEEDED, [EventType.SUCCEEDED])


@pytest.mark.parametrize(
    "callback",
    [
        a_callback(),
        signed(a_callback(), secret="another-signing-secret-01"),
        signed(a_callback(), at_s=T0 // 1000 - 301),
        signed(signed(a_callback())),
        replace(signed(a_callback()), body=a_callback("fail").body),
        replace(a_callback(), headers=(("x-hiapi-timestamp", "1"), ("x-hiapi-signature", "é…"))),
    ],
    ids=["unsigned", "other secret", "stale", "repeated headers", "other body", "non-ASCII"],
)
async def test_where_a_secret_is_set_a_token_cannot_replace_the_signature(
    setup: IntakeSetup, callback: Callback
) -> None:
    await setup.add_task(provider="signed")
    assert isinstance(await setup.receive(callback, a_token(provider="signed"), "signed"), Unauthenticated)
    assert (await setup.task()).state is TaskState.SUBMITTED


UNREADABLE = Callback(headers=(("content-type", "application/json"),), body=b'{"taskId":"p1","status":')
STALE = signed(a_callback(), at_s=T0 // 1000 - 301)


@pytest.mark.parametrize("state", [TaskState.SUBMITTED, TaskState.RUNNING])
@pytest.mark.parametrize(
    ("callback", "provider", "outcome"),
    [(STALE, "signed", Unauthenticated), (signed(UNREADABLE), "signed", Malformed), (UNREADABLE, "hiapi", Malformed)],
    ids=["stale", "signed and unreadable", "unreadable"],
)
async def test_a_right_token_makes_its_task_due_though_nothing_of_the_callback_is_believed(
    setup: IntakeSetup, callback: Callback, provider: str, outcome: type, state: TaskState
) -> None:
    await setup.add_task(provider=provider, state=state)
    await setup.add_task("tsk_2", "p2", provider=provider, state=state)
    assert isinstance(await setup.receive(callback, a_token(provider=provider), provider), outcome)
    assert ((await setup.task()).state, (await setup.task()).next_poll_ms) == (state, T0)
    assert (await setup.task("tsk_2")).next_poll_ms == T0 + 180_000
    assert await setup.events() == []


@pytest.mark.parametrize(
    ("callback", "token"),
    [
        (STALE, None),
        (STALE, a_token(None, "signed")),
        (STALE, a_token("tsk_2", "signed")),
        (STALE, a_token(provider="hiapi")),
        (STALE, a_token(provider="signed", made_s=T0 // 1000 - 31 * DAY_S)),
        (STALE, a_token(provider="signed", key="a-key-of-somebody-else-00001")),
        (signed(STALE, secret="another-signing-secret-01"), a_token(provider="signed")),
        (a_callback(), a_token(provider="signed")),
        (UNREADABLE, a_token(provider="signed")),
    ],
    ids=[
        "no token",
        "account-wide",
        "no such task",
        "other provider",
        "old",
        "forged",
        "two",
        "unsigned",
        "unsigned, cut",
    ],
)
async def test_without_its_right_token_or_signature_a_callback_makes_no_task_due(
    setup: IntakeSetup, callback: Callback, token: str | None
) -> None:
    await setup.add_task(provider="signed")
    assert isinstance(await setup.receive(callback, token, "signed"), Unauthenticated)
    assert (await setup.task()).next_poll_ms == T0 + 180_000


@pytest.mark.parametrize("state", [TaskState.SUBMITTING, TaskState.UNCERTAIN, TaskState.REFUSED, TaskState.FAILED])
async def test_a_stale_callback_changes_no_task_whose_submit_is_open_or_that_has_ended(
    setup: IntakeSetup, state: TaskState
) -> None:
    await setup.add_task(provider="signed", state=state, next_poll_ms=None)
    await setup.receive(STALE, a_token(provider="signed"), "signed")
    assert ((await setup.task()).state, (await setup.task()).next_poll_ms) == (state, None)


async def test_an_end_without_its_result_makes_the_task_due_and_ends_nothing(setup: IntakeSetup) -> None:
    await setup.add_task()
    assert await setup.receive(a_callback(bare=True), a_token()) == APPLIED
    assert ((await setup.task()).state, (await setup.task()).next_poll_ms) == (TaskState.SUBMITTED, T0)


async def test_an_end_without_its_result_names_the_task_whose_receipt_was_lost(setup: IntakeSetup) -> None:
    await setup.add_task(provider_task_id=None, state=TaskState.UNCERTAIN, next_poll_ms=None)
    assert await setup.receive(a_callback(bare=True), a_token()) == APPLIED
    task = await setup.task()
    assert (task.state, task.provider_task_id, task.next_poll_ms) == (TaskState.RUNNING, "p1", T0)
    assert await setup.events() == []


async def test_an_end_without_its_result_of_an_ended_task_is_a_duplicate(setup: IntakeSetup) -> None:
    await setup.add_task()
    await setup.receive(a_callback(), a_token())
    assert await setup.receive(a_callback(bare=True), a_token()) == DUPLICATE


async def test_an_end_without_its_result_cannot_use_another_tasks_token(setup: IntakeSetup) -> None:
    await setup.add_task("tsk_1", "p1")
    await setup.add_task("tsk_2", "p2")
    outcome = await setup.receive(a_callback(provider_task_id="p2", bare=True), a_token("tsk_1"))
    assert isinstance(outcome, TaskMismatch)
    assert (await setup.task("tsk_2")).next_poll_ms == T0 + 180_000


async def test_an_account_wide_event_makes_its_task_due(setup: IntakeSetup) -> None:
    await setup.add_task(provider="dashscope")
    token = a_token(None, "dashscope")
    assert await setup.receive(a_finish_event(), token, "dashscope") == APPLIED
    assert (await setup.task()).next_poll_ms == T0


async def test_an_account_wide_event_adopts_no_task_of_others(setup: IntakeSetup) -> None:
    outcome = await setup.receive(a_finish_event("elsewhere"), a_token(None, "dashscope"), "dashscope")
    assert isinstance(outcome, Unauthenticated)
    assert (await setup.store.tasks.counts()) == {}


async def test_what_cannot_be_made_durable_is_not_counted(setup: IntakeSetup, tmp_path: Path) -> None:
    await setup.add_task()
    blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await setup.receive(a_callback(), a_token())
    blocker.close()
    assert await setup.receive(a_callback(), a_token()) == APPLIED


@pytest.mark.parametrize("status", ["success", "fail", "handling"])
async def test_a_signed_callback_counts_with_a_token_of_the_whole_account(setup: IntakeSetup, status: str) -> None:
    """The signature proves it; the token only says that it came by one of our addresses."""
    await setup.add_task(provider="signed")
    outcome = await setup.receive(signed(a_callback(status)), a_token(None, "signed"), "signed")
    assert outcome == APPLIED
    ends = {"success": TaskState.SUCCEEDED, "fail": TaskState.FAILED, "handling": TaskState.RUNNING}
    assert (await setup.task()).state is ends[status]


async def test_a_signed_callback_of_an_unknown_task_is_adopted_with_a_token_of_the_whole_account(
    setup: IntakeSetup,
) -> None:
    callback = signed(a_callback(provider_task_id="elsewhere"))
    assert await setup.receive(callback, a_token(None, "signed"), "signed") == APPLIED
    assert await setup.store.tasks.task_by_key("signed", ProviderTaskId("elsewhere")) is not None


async def test_a_signature_makes_no_token_work_for_another_task(setup: IntakeSetup) -> None:
    await setup.add_task("tsk_1", "p1", provider="signed")
    await setup.add_task("tsk_2", "p2", provider="signed")
    outcome = await setup.receive(signed(a_callback(provider_task_id="p2")), a_token("tsk_1", "signed"), "signed")
    assert isinstance(outcome, TaskMismatch)
    assert {(await setup.task(name)).state for name in ("tsk_1", "tsk_2")} == {TaskState.SUBMITTED}

"""After a callback that says that a task runs, its next poll follows from what was learned, in any process."""

import json
import random
from unittest.mock import ANY, AsyncMock

from receiver.callbacks.intake import Intake
from receiver.callbacks.model import Accepted, make_callback_token
from receiver.config.sections import ProvidersSettings
from receiver.reconcile.model.duration_rows import row_of
from receiver.reconcile.model.durations import UNKNOWN, DurationKey, Finish, Histogram
from receiver.runtime.store import Store
from receiver.store.engine import Tx
from receiver.tasks.group_commit import GroupCommit
from submitter.http.messages import Callback
from submitter.model import ProviderTaskId, TaskId, TaskState
from tests.support.builders import T0, a_task
from tests.support.reconcile_setup import a_provider
from tests.support.submission_setup import FakeClock, durations_of

KEYS = ("a-secret-key-of-the-tests-1",)
PROVIDERS = {"hiapi": a_provider("hiapi")}


async def test_a_process_that_only_takes_callbacks_polls_by_what_others_have_learned(store: Store) -> None:
    """Tasks take about 120 s, and this one still runs after 110 s. The prior would have it polled 200 s later."""
    rng, key = random.Random(1), DurationKey("hiapi")
    ends = [120 * rng.lognormvariate(0, 0.2) for _ in range(300)]
    finishes = [Finish(key=key, after_s=end, until_s=end, by_callback=True) for end in ends]

    async def learn(tx: Tx) -> None:
        await tx.execute("set_durations", **row_of(key, Histogram().with_finishes(finishes, UNKNOWN.distribution)))

    await store.engine.write(learn)
    clock = FakeClock()
    durations = durations_of(store, PROVIDERS, ProvidersSettings(), clock)
    intake = Intake(
        providers=PROVIDERS,
        keys=KEYS,
        provider_keys=AsyncMock(),
        max_age_s=86_400,
        commits=GroupCommit(store.ledger, clock=clock, on_events=lambda: None),
        ledger=store.ledger,
        tasks=store.tasks,
        clock=clock,
        next_poll_of=durations.after_callback_ms,
        refresh=durations.refresh,
    )
    times = {"sent_ms": T0, "submitted_ms": T0, "next_poll_ms": T0 + 300_000}
    running = a_task(
        "tsk_1", state=TaskState.RUNNING, provider_task_id=ProviderTaskId("p1"), callback_expected=True, **times
    )
    await store.submissions.open_task(running, T0)
    clock.now_ms += 110_000
    token = make_callback_token(KEYS, provider="hiapi", task_id=TaskId("tsk_1"), now_s=T0 // 1000)
    body = json.dumps({"taskId": "p1", "status": "handling", "created": 1, "completed": 0}).encode()
    callback = Callback(headers=(("content-type", "application/json"),), body=body)
    assert await intake.receive("hiapi", token, callback) == Accepted(verdict=ANY)
    task = await store.tasks.task(TaskId("tsk_1"))
    assert task is not None
    assert 60 < ((task.next_poll_ms or 0) - clock.now_ms) / 1000 < 130

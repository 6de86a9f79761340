"""Tasks that were refused before refusals were stored with the task get theirs from the timeline, on both engines."""

import json
from typing import Any

from receiver.runtime.store import open_store
from receiver.store.codec import to_json
from receiver.store.engine import Tx
from receiver.store.migrate import known_migrations
from submitter.model import Refusal, TaskId
from tests.support.builders import T0
from tests.support.tables import engine_at

ADDED_BY = "0004_refusal"


def _task(task_id: str, state: str = "refused") -> str:
    error = json.dumps({"code": "c", "message": "m"})
    return f"""
INSERT INTO tasks (
    id, provider, state, raw_state, request, request_hash, labels, outputs, error, adopted, callback_expected,
    created_ms, polls, submits
) VALUES ('{task_id}', 'hiapi', '{state}', '', '{{}}', '', '{{}}', '[]', '{error}', 0, 0, {T0}, 0, 1);
"""


def _observation(task_id: str, detail: dict[str, Any], source: str = "submit") -> str:
    return f"""
INSERT INTO observations (id, task, at_ms, source, state, raw_state, verdict, detail, raw)
VALUES ('obs_{task_id}_{source}', '{task_id}', {T0}, '{source}', 'refused', '', 'applied', '{to_json(detail)}', '');
"""


def _refused(refusal: str, status: int | None, message: str = "no") -> dict[str, Any]:
    return {"refusal": refusal, "error": {"code": "c", "message": message}, "status": status}


BEFORE = "".join(
    (
        _task("tsk_quota"),
        _observation("tsk_quota", _refused("quota", 402)),
        _task("tsk_invalid"),
        _observation("tsk_invalid", _refused("invalid", 422, 'an "odd": {"status":500} message')),
        _task("tsk_unreached"),
        _observation("tsk_unreached", _refused("unavailable", None)),
        _task("tsk_settled"),
        _observation("tsk_settled", {"refused": True}, "operator"),
        _task("tsk_pruned"),
        _task("tsk_revived", "running"),
        _observation("tsk_revived", _refused("invalid", 400)),
    )
)


async def _before(tx: Tx) -> None:
    await tx.execute("open_migrations")
    for name, script in known_migrations():
        if name < ADDED_BY:
            await tx.run_script(script)
            await tx.execute("insert_migration", name=name, now_ms=1)
    await tx.run_script(BEFORE)


async def test_refusals_of_the_timeline_become_columns_of_the_task(empty_url: str) -> None:
    async with engine_at(empty_url) as engine:
        await engine.write(_before)
    found = {}
    async with open_store(empty_url, clock=lambda: T0, migrating=True) as store:
        for name in ("quota", "invalid", "unreached", "settled", "pruned", "revived"):
            task = await store.tasks.task(TaskId(f"tsk_{name}"))
            assert task is not None
            found[name] = (task.refusal, task.refusal_status)
    assert found == {
        "quota": (Refusal.QUOTA, 402),
        "invalid": (Refusal.INVALID, 422),
        "unreached": (Refusal.UNAVAILABLE, None),
        "settled": (None, None),
        "pruned": (None, None),
        "revived": (None, None),
    }

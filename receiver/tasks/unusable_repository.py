"""Answers that could not be used, as lines of a task's timeline. They are written in the transaction of their cause."""

from receiver.store.codec import readable, to_json
from receiver.store.engine import Tx
from receiver.store.ids import IdMaker
from receiver.tasks.model.task import Task
from receiver.tasks.model.unusable import NewLine, line_to_change

ROWS_READ = 50  # the newest lines of one kind; more than one kind ever has of them


async def add_answer(tx: Tx, new_id: IdMaker, task: Task, line: NewLine, now_ms: int) -> None:
    """Add a line, or count the answer in a line that is there; see `receiver.tasks.model.unusable`."""
    kind = {"task": task.id, "source": line.source.value, "verdict": line.verdict.value}
    rows = await tx.fetch_all("observations_of_kind", **kind, limit=ROWS_READ)
    text = readable(line.raw)
    old = line_to_change(rows, line.detail, text, now_ms)
    if old is not None:
        await tx.execute("update_observation", id=old.id, detail=to_json(dict(old.detail)), raw=text)
        return
    await tx.execute(
        "insert_observation",
        id=new_id("obs", now_ms),
        at_ms=now_ms,
        **kind,
        state=task.state.value,
        raw_state=task.raw_state,
        detail=to_json(dict(line.detail)),
        raw=text,
    )

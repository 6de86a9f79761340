"""Lines of a task's timeline about answers, submits and operators, each written in the transaction of its cause."""

from receiver.store.codec import readable, to_json
from receiver.store.engine import Row, Tx, Value
from receiver.store.ids import IdMaker
from receiver.tasks.model.task import Task
from receiver.tasks.model.unusable import NewLine, is_counted, line_to_change

ROWS_READ = 50  # the newest lines of one kind; more than one kind ever has of them


async def add_answer(tx: Tx, new_id: IdMaker, task: Task, line: NewLine, now_ms: int) -> None:
    """Add a line, or count the answer in a line that is there; see `receiver.tasks.model.unusable`."""
    text = readable(line.raw)
    old = line_to_change(await _lines_like(tx, task, line), line.detail, text, now_ms)
    if old is None:
        await add_line(tx, new_id, task, line, now_ms)
    else:
        await tx.execute("update_observation", id=old.id, detail=to_json(dict(old.detail)), raw=text)


async def add_line(tx: Tx, new_id: IdMaker, task: Task, line: NewLine, now_ms: int) -> None:
    """Add a line of its own. Its state is the one that the task has afterwards."""
    await tx.execute("insert_observation", **line_row(new_id, task, line, now_ms))


def line_row(new_id: IdMaker, task: Task, line: NewLine, now_ms: int) -> dict[str, Value]:
    """The row of a line of its own."""
    return {
        "id": new_id("obs", now_ms),
        "task": task.id,
        "at_ms": now_ms,
        "source": line.source.value,
        "state": task.state.value,
        "raw_state": task.raw_state,
        "verdict": line.verdict.value,
        "detail": to_json(dict(line.detail)),
        "raw": readable(line.raw),
    }


async def _lines_like(tx: Tx, task: Task, line: NewLine) -> list[Row]:
    """Nothing is read for a line that is never counted, such as that of a new task."""
    if not is_counted(line.detail):
        return []
    kind = {"source": line.source.value, "verdict": line.verdict.value}
    return await tx.fetch_all("observations_of_kind", task=task.id, **kind, limit=ROWS_READ)

"""Pages, cursors and counts."""

from receiver.records import TaskFilter
from receiver.store import Store
from submitter.model import TaskState
from tests.builders import T0, a_report, a_task


async def _open(store: Store, count: int) -> None:
    for index in range(count):
        labels = {"team": "red" if index % 2 else "blue"}
        await store.submits.open_task(a_task(f"tsk_{index:03d}", labels=labels, created_ms=T0 + index), T0)


async def test_pages_are_newest_first_and_meet_without_overlap(store: Store) -> None:
    await _open(store, 7)
    names: list[str] = []
    cursor = None
    for _ in range(3):
        page = await store.reading.tasks(TaskFilter(limit=3, cursor=cursor))
        names += [task.id for task in page.items]
        cursor = page.next_cursor
    assert names == [f"tsk_{index:03d}" for index in range(6, -1, -1)]
    assert cursor is None


async def test_tasks_are_found_by_label_state_provider_and_age(store: Store) -> None:
    await _open(store, 6)
    await store.ledger.record([a_report(claim="tsk_001")], T0)
    for condition, count in [
        (TaskFilter(label=("team", "red")), 3),
        (TaskFilter(label=("team", "red"), state=TaskState.SUCCEEDED), 1),
        (TaskFilter(state=TaskState.SUBMITTING), 5),
        (TaskFilter(provider="tokenbay"), 0),
        (TaskFilter(provider="hiapi", older_than_ms=T0 + 2), 3),
    ]:
        assert len((await store.reading.tasks(condition)).items) == count


async def test_events_are_read_past_a_cursor(store: Store) -> None:
    await _open(store, 3)
    reports = [
        a_report(state, f"p{n}", claim=f"tsk_00{n}")
        for n, state in enumerate([TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SUCCEEDED])
    ]
    await store.ledger.record(reports, T0)
    assert [event.seq for event in await store.reading.events(1)] == [2, 3]
    assert [event.seq for event in await store.reading.events(0, limit=1)] == [1]
    assert await store.reading.last_seq() == 3


async def test_tasks_are_counted_by_provider_and_state(store: Store) -> None:
    await _open(store, 3)
    await store.ledger.record([a_report(claim="tsk_000")], T0)
    counts = await store.reading.counts()
    assert counts == {("hiapi", TaskState.SUBMITTING): 2, ("hiapi", TaskState.SUCCEEDED): 1}


async def test_the_timeline_tells_a_task_in_order(store: Store) -> None:
    await _open(store, 1)
    await store.ledger.record([a_report(TaskState.RUNNING, claim="tsk_000"), a_report()], T0 + 9)
    kinds = [(note.kind, note.at_ms - T0) for note in await store.reading.timeline("tsk_000")]
    assert kinds == [("observation", 0), ("observation", 9), ("observation", 9), ("event", 9)]


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.reading.task("tsk_none") is None
    assert await store.reading.task_by_key("hiapi", "none") is None
    assert await store.reading.timeline("tsk_none") == []


async def test_the_first_value_kept_under_a_name_stays(store: Store) -> None:
    assert await store.kept.find("keys") is None
    assert await store.kept.keep("keys", "one") == "one"
    assert await store.kept.keep("keys", "two") == "one"
    assert await store.kept.find("keys") == "one"

"""Pages, cursors and counts."""

from receiver.runtime.store import Store
from receiver.tasks.model.queue_list import with_places
from receiver.tasks.model.task import TaskFilter
from receiver.webhooks.model.delivery import Backlog, DeliveryState
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.model import ProviderTaskId, TaskId, TaskState
from tests.support.builders import T0, a_report, a_task
from tests.support.delivery_fixtures import deliveries_of, finish, lease, publish_events, set_state, subscribe


async def _open(store: Store, count: int) -> None:
    for index in range(count):
        labels = {"team": "red" if index % 2 else "blue"}
        await store.submissions.open_task(a_task(f"tsk_{index:03d}", labels=labels, created_ms=T0 + index), T0)


async def test_pages_are_newest_first_and_meet_without_overlap(store: Store) -> None:
    await _open(store, 7)
    names: list[str] = []
    cursor = None
    for _ in range(3):
        page = await store.tasks.tasks(TaskFilter(limit=3, cursor=cursor))
        names += [task.id for task in page.items]
        cursor = page.next_cursor
    assert names == [f"tsk_{index:03d}" for index in range(6, -1, -1)]
    assert cursor is None


async def test_tasks_are_found_by_label_state_provider_and_age(store: Store) -> None:
    await _open(store, 6)
    await store.ledger.record([a_report(expected_task_id="tsk_001")], T0)
    for condition, count in [
        (TaskFilter(label=("team", "red")), 3),
        (TaskFilter(label=("team", "red"), state=TaskState.SUCCEEDED), 1),
        (TaskFilter(state=TaskState.SUBMITTING), 5),
        (TaskFilter(provider="tokenbay"), 0),
        (TaskFilter(provider="hiapi", older_than_ms=T0 + 2), 3),
    ]:
        assert len((await store.tasks.tasks(condition)).items) == count


async def test_events_are_read_past_a_cursor(store: Store) -> None:
    await _open(store, 3)
    reports = [
        a_report(state, f"p{n}", expected_task_id=f"tsk_00{n}")
        for n, state in enumerate([TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SUCCEEDED])
    ]
    await store.ledger.record(reports, T0)
    assert [event.seq for event in await store.events.events(1)] == [2, 3]
    assert [event.seq for event in await store.events.events(0, limit=1)] == [1]
    assert await store.events.last_seq() == 3


async def test_tasks_are_counted_by_provider_and_state(store: Store) -> None:
    await _open(store, 3)
    await store.ledger.record([a_report(expected_task_id="tsk_000")], T0)
    counts = await store.tasks.counts()
    assert counts == {("hiapi", TaskState.SUBMITTING): 2, ("hiapi", TaskState.SUCCEEDED): 1}


async def test_the_backlog_of_a_subscription_is_counted_with_the_last_delivery_that_failed(store: Store) -> None:
    await subscribe(store)
    await subscribe(store, "sub_2")
    assert await store.deliveries.backlog("sub_1") == Backlog()
    await publish_events(store, 4)
    leased = sorted((each for each in await lease(store) if each.endpoint_id == "sub_1"), key=lambda each: each.id)
    await finish(store, leased[:1])
    await finish(store, leased[1:3], DeliveryState.DEAD)
    assert await store.deliveries.backlog("sub_2") == Backlog(pending=4)
    dead = await store.deliveries.backlog("sub_1")
    assert (dead.pending, dead.dead) == (1, 2)
    assert dead.failed is not None
    assert dead.failed.id == leased[2].id
    assert await store.deliveries.dead_letters() == 2
    await finish(store, leased[3:], DeliveryState.PENDING)
    failing = (await store.deliveries.backlog("sub_1")).failed
    assert failing in await deliveries_of(store, "sub_1")
    assert failing is not None
    assert (failing.id, failing.last_status) == (leased[3].id, 429)


async def test_subscriptions_are_found_by_state_and_deleted_ones_never(store: Store) -> None:
    for name in ("sub_1", "sub_2", "sub_3", "sub_4"):
        await subscribe(store, name)
    await set_state(store, SubscriptionState.DISABLED, "sub_2")
    await store.subscriptions.delete("sub_3", actor="ann", now_ms=T0)
    for state, names in [
        (SubscriptionState.ACTIVE, ["sub_4", "sub_1"]),
        (SubscriptionState.DISABLED, ["sub_2"]),
        (None, ["sub_4", "sub_2", "sub_1"]),
    ]:
        page = await store.subscriptions.page(limit=10, cursor=None, state=state)
        assert [each.subscription.id for each in page.items] == names
    first = await store.subscriptions.page(limit=1, cursor=None, state=SubscriptionState.ACTIVE)
    assert first.next_cursor == "sub_4"


async def test_the_timeline_of_a_task_is_in_order(store: Store) -> None:
    await _open(store, 1)
    await store.ledger.record([a_report(TaskState.RUNNING, expected_task_id="tsk_000"), a_report()], T0 + 9)
    kinds = [(entry.kind, entry.at_ms - T0) for entry in await store.tasks.timeline(TaskId("tsk_000"))]
    assert kinds == [("observation", 0), ("observation", 9), ("observation", 9), ("event", 9)]


async def test_the_timeline_names_the_subscription_of_each_webhook_and_what_is_held(store: Store) -> None:
    await subscribe(store)
    await subscribe(store, "sub_2")
    await _open(store, 1)
    await store.ledger.record([a_report(expected_task_id="tsk_000")], T0)
    await finish(store, [each for each in await lease(store) if each.endpoint_id == "sub_1"])
    await set_state(store, SubscriptionState.DISABLED, "sub_1")
    await set_state(store, SubscriptionState.DISABLED, "sub_2")
    entries = await store.tasks.timeline(TaskId("tsk_000"))
    deliveries = {entry.detail["subscription"]: entry.detail for entry in entries if entry.kind == "delivery"}
    assert {name: (each["state"], each["held"]) for name, each in deliveries.items()} == {
        "sub_1": ("delivered", False),
        "sub_2": ("pending", True),
    }
    (attempt,) = [entry.summary for entry in entries if entry.kind == "attempt"]
    assert attempt == "attempt for sub_1 in 1 ms: answered 204"


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.tasks.task(TaskId("tsk_none")) is None
    assert await store.tasks.task_by_key("hiapi", ProviderTaskId("none")) is None
    assert await store.tasks.timeline(TaskId("tsk_none")) == []


async def test_the_first_value_kept_under_a_name_stays(store: Store) -> None:
    assert await store.metadata.find("keys") is None
    assert await store.metadata.get_or_create("keys", "one") == "one"
    assert await store.metadata.get_or_create("keys", "two") == "one"
    assert await store.metadata.find("keys") == "one"


async def test_deliveries_of_a_subscription_are_paged_in_any_state_or_one(store: Store) -> None:
    for name in ("sub_1", "sub_2"):
        await subscribe(store, name)
    await publish_events(store, 6)
    leased = {(due.endpoint_id, due.event_id): due for due in await lease(store)}
    events = [event.id for event in await store.events.events(0)]
    await finish(store, [leased["sub_1", event] for event in events[:3]], DeliveryState.DEAD)
    await finish(store, [leased["sub_2", event] for event in events], DeliveryState.DEAD)
    for state, numbers in [(DeliveryState.DEAD, [3, 2, 1]), (DeliveryState.PENDING, [6, 5, 4]), (None, [6, 5, 4, 3])]:
        first = await store.deliveries.deliveries(state=state, subscription="sub_1", limit=2)
        rest = await store.deliveries.deliveries(state=state, subscription="sub_1", limit=2, cursor=first.next_cursor)
        assert [each.event_seq for each in (*first.items, *rest.items)] == numbers


async def test_queued_tasks_are_listed_in_the_order_in_which_each_account_sends_them(store: Store) -> None:
    for name, provider, priority in [
        ("tsk_1", "hiapi", 0),
        ("tsk_2", "dashscope", 0),
        ("tsk_3", "hiapi", 5),
        ("tsk_4", "hiapi", 0),
        ("tsk_5", "hiapi", 5),
    ]:
        labels = {"team": "red" if name == "tsk_4" else "blue"}
        at = T0 + int(name[-1])
        queued_ms = T0 + 9 if name == "tsk_1" else at  # its key was used again
        task = a_task(
            name,
            provider=provider,
            priority=priority,
            labels=labels,
            created_ms=at,
            queued_ms=queued_ms,
            state=TaskState.QUEUED,
        )
        await store.submissions.open_task(task, T0)
    await store.submissions.open_task(a_task("tsk_6", priority=9), T0)
    listed = await store.tasks.queued(TaskFilter())
    order = [(each.task.id, each.position) for each in listed.items]
    assert order == [("tsk_2", 1), ("tsk_3", 1), ("tsk_5", 2), ("tsk_4", 3), ("tsk_1", 4)]
    for condition, expected in [
        (TaskFilter(label=("team", "red")), [("tsk_4", 3)]),
        (TaskFilter(label=("team", "green")), []),
        (TaskFilter(provider="dashscope"), [("tsk_2", 1)]),
        (TaskFilter(provider="hiapi", older_than_ms=T0 + 3), [("tsk_3", 1), ("tsk_1", 4)]),
    ]:
        assert [(each.task.id, each.position) for each in (await store.tasks.queued(condition)).items] == expected
    first = await store.tasks.queued(TaskFilter(limit=2))
    assert (len(first.items), first.next_cursor is None) == (2, False)
    assert (await store.tasks.queued(TaskFilter(limit=5))).next_cursor is None
    for each in listed.items:  # as one task tells it
        place = await store.queue.place(each.task, T0)
        assert place is not None
        assert place.position == each.position
        depths, accounts = await store.queue.depths(), await store.accounts.all()
        assert with_places([each], depths, accounts, T0) == [(each.task, place)]

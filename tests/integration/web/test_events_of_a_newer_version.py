"""Events of a type that only a newer version knows: read as they are, and delivered to those who name the type."""

import asyncio
import json
from dataclasses import replace

from receiver.events.model.query import EventFilter
from receiver.store.audit import AuditEntry
from receiver.webhooks.model.subscription import Subscription
from submitter.model import TaskState
from tests.support.builders import T0, a_report
from tests.support.delivery_fixtures import publish_event_of, publish_events, publish_newer_event
from tests.support.service import Served
from tests.support.stream_listener import open_stream
from tests.support.subscriptions_over_http import (
    create_subscription,
    deliveries_of,
    finish_tasks,
    patch_subscription,
    replay_subscription,
)

NEWER = "task.from_a_newer_version"


async def test_pages_and_streams_show_an_event_of_a_newer_version_as_it_is(service: Served) -> None:
    store = service.services.store
    await publish_event_of(store, "tsk_1")
    async with open_stream(service.http) as live:
        await publish_newer_event(store)
        service.services.commit_notifier.notify()
        of_now = await live.event()
    await publish_event_of(store, "tsk_3")
    page = (await service.get("/v1/events?after=0", key="read")).json()
    assert [(event["seq"], event["type"]) for event in page["events"]] == [
        (1, "task.succeeded"),
        (2, NEWER),
        (3, "task.succeeded"),
    ]
    assert (of_now["id"], of_now["event"]) == ("2", NEWER)
    async with open_stream(service.http, "after=1") as past:
        assert json.loads((await past.event())["data"]) == page["events"][1]
    only = (await service.get("/v1/events?after=0&type=task.succeeded", key="read")).json()
    assert [event["seq"] for event in only["events"]] == [1, 3]


async def test_a_replay_sends_such_an_event_to_those_who_name_its_type_and_passes_it_for_others(
    service: Served,
) -> None:
    store = service.services.store
    await publish_events(store, 1)
    await publish_newer_event(store)
    await publish_events(store, 1, first=2)
    others = (await create_subscription(service))["id"]
    naming = (await create_subscription(service))["id"]
    await _let_name(service, naming, NEWER)
    for name in (others, naming):
        assert (await replay_subscription(service, name, first_seq=1)).status_code == 202
    assert [each["event_seq"] for each in await deliveries_of(service, others)] == [3, 1]
    assert [(each["event_seq"], each["event_type"]) for each in await deliveries_of(service, naming)] == [(2, NEWER)]


async def test_a_subscription_to_a_type_of_a_newer_version_is_shown_and_can_be_disabled(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    await _let_name(service, name, NEWER)
    (listed,) = (await service.get("/v1/subscriptions", key="read")).json()["subscriptions"]
    assert listed["types"] == [NEWER]
    answer = await patch_subscription(service, name, {"enabled": False})
    assert (answer.status_code, answer.json()["types"]) == (200, [NEWER])


async def test_a_wait_goes_on_at_an_event_of_a_newer_version_while_its_task_does(service: Served) -> None:
    await finish_tasks(service, 1)
    await service.has("tsk_2", "p2")
    waiting = asyncio.create_task(service.get("/v1/tasks/tsk_2?wait=30", key="read"))
    await asyncio.sleep(0.3)
    await publish_newer_event(service.services.store, task="tsk_2")
    service.services.commit_notifier.notify()
    await asyncio.sleep(0.3)
    await service.services.store.ledger.record([a_report(provider_task_id="p2")], T0)
    service.services.commit_notifier.notify()
    assert (await waiting).json()["state"] == TaskState.SUCCEEDED


async def _let_name(service: Served, name: str, kind: str) -> None:
    """The subscription names a type, as a newer version stored it."""
    entry = AuditEntry(actor="ann", action="types set")

    def naming(before: Subscription) -> Subscription:
        return replace(before, filter=EventFilter(types=frozenset({kind})))

    assert await service.services.store.subscriptions.change(name, naming, entry, now_ms=T0)

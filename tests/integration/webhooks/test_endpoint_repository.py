"""Hosts of `notify` and endpoints of subscriptions: seen with their trouble, and resumed."""

from dataclasses import replace

import pytest

from receiver.runtime.store import Store
from receiver.store.audit import AuditEntry
from receiver.webhooks.endpoints import LIMIT, EndpointService
from receiver.webhooks.model.delivery import Attempt, AttemptResult, DeliveryState, DueDelivery
from receiver.webhooks.model.delivery_search import DeliverySearch
from receiver.webhooks.model.endpoint_status import ResumedEndpoint, notify_host
from tests.support.builders import SECRET, T0
from tests.support.delivery_fixtures import finish, lease, publish_event_of, publish_events, subscribe
from tests.support.tables import rows_of

BAD, GOOD = "https://bad.example", "https://good.example"
LATE_MS = T0 + 3_600_000


def _service(store: Store, now_ms: int = T0 + 1000, told: list[int] | None = None) -> EndpointService:
    return EndpointService(endpoints=store.endpoints, clock=lambda: now_ms, on_due=lambda: (told or []).append(1))


async def _notified(store: Store, host: str, *numbers: int) -> None:
    """A task for each number succeeds, and its webhook goes to the host."""
    for number in numbers:
        url = f"{host}/hook/{number}"
        await publish_event_of(store, f"tsk_{host[8:11]}{number}", notify_url=url, notify_secret=SECRET)


async def _fail(store: Store, leased: list[DueDelivery], *, at_ms: int = T0) -> None:
    """Each attempt fails, and the next is due in an hour."""
    attempt = Attempt(at_ms=at_ms, latency_ms=1, status=500, error="answered 500")
    results = [
        AttemptResult(
            delivery=due.id,
            owner=due.owner,
            endpoint_id=due.endpoint_id,
            attempt=attempt,
            state=DeliveryState.PENDING,
            due_ms=LATE_MS,
        )
        for due in leased
    ]
    await store.outbox.record_attempts(results, at_ms)


async def _hosts(store: Store, *, only_failing: bool = False, limit: int = 50) -> list[tuple[str, int, int, int]]:
    """Name, failures, pending and dead of each."""
    found: list[tuple[str, int, int, int]] = []
    cursor = None
    while True:
        page = await store.endpoints.notify_hosts(
            only_failing=only_failing, limit=limit, cursor=cursor, now_ms=T0 + 1000
        )
        found += [(each.endpoint.id, each.endpoint.failures, each.pending, each.dead) for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _break(store: Store) -> None:
    """Six webhooks to the bad host fail, one to the good host arrives, and a subscription fails as well."""
    await subscribe(store)
    await _notified(store, BAD, *range(6))
    await _notified(store, GOOD, 1)
    leased = await lease(store)
    await finish(store, [due for due in leased if due.endpoint_id == GOOD])
    await _fail(store, [due for due in leased if due.endpoint_id == BAD])
    await _fail(store, [due for due in leased if due.endpoint_id == "sub_1"])


async def test_hosts_are_listed_with_their_trouble_and_subscriptions_are_not(store: Store) -> None:
    await _break(store)
    assert await _hosts(store) == [(BAD, 5, 6, 0), (GOOD, 0, 0, 0)]  # the breaker opens at the fifth
    assert await _hosts(store, only_failing=True) == [(BAD, 5, 6, 0)]
    assert await _hosts(store, limit=1) == await _hosts(store)


async def test_a_host_with_dead_letters_is_listed_also_when_its_row_is_gone(store: Store) -> None:
    await _notified(store, BAD, 1, 2)
    await finish(store, await lease(store), DeliveryState.DEAD)
    engine = store.retention
    await engine.remove_idle_endpoints((0, ""), limit=10, before_ms=T0 + 10**9, now_ms=T0 + 10**9)
    assert await _hosts(store, only_failing=True) == [(BAD, 0, 0, 2)]
    status = await store.endpoints.notify_host(BAD)
    assert status is not None
    assert (status.dead, status.pending) == (2, 0)


async def test_a_resume_closes_the_breaker_and_what_waits_goes_out_at_once(store: Store, database_url: str) -> None:
    await _break(store)
    assert await lease(store, now_ms=T0 + 1000) == []
    told: list[int] = []
    resumed = await _service(store, told=told).resume_host(BAD, actor="ann", dead_letters=False)
    assert resumed == ResumedEndpoint(was_failing=True, made_due=6)
    leased = await lease(store, now_ms=T0 + 1000)
    assert [due.endpoint_id for due in leased] == [BAD] * 6
    rows = rows_of(database_url, "SELECT actor, detail FROM audit WHERE action = 'endpoint resumed'")
    assert [tuple(row) for row in rows] == [("ann", '{"endpoint":"https://bad.example"}')]


async def test_a_second_resume_changes_nothing_and_is_in_no_audit(store: Store, database_url: str) -> None:
    await _break(store)
    service = _service(store)
    await service.resume_host(BAD, actor="ann", dead_letters=True)
    assert await service.resume_host(BAD, actor="ann", dead_letters=True) == ResumedEndpoint()
    rows = rows_of(database_url, "SELECT id FROM audit WHERE action = 'endpoint resumed'")
    assert len(rows) == 1


async def test_a_resume_leaves_what_is_being_posted_and_other_endpoints(store: Store) -> None:
    await _break(store)
    await _notified(store, BAD, 7)
    await store.endpoints.reset(BAD, AuditEntry(actor="a", action="b"), now_ms=T0)
    (posted,) = [due for due in await lease(store) if due.endpoint_id == BAD]
    resumed = await _service(store).resume_host(BAD, actor="ann", dead_letters=True)
    assert resumed == ResumedEndpoint(was_failing=False, made_due=6)
    delivery = await store.deliveries.delivery(posted.id)
    assert delivery is not None
    assert delivery.due_ms == T0
    await finish(store, [posted])
    others = (await store.deliveries.deliveries(subscription="sub_1")).items
    assert {each.due_ms for each in others} == {LATE_MS, T0}


async def test_dead_letters_of_a_host_are_sent_again_after_what_is_new(store: Store) -> None:
    await _notified(store, BAD, 1, 2)
    await finish(store, await lease(store), DeliveryState.DEAD)
    await _notified(store, BAD, 3)
    kept = await _service(store).resume_host(BAD, actor="ann", dead_letters=False)
    assert kept is not None
    assert (kept.redelivered, await _hosts(store)) == (
        0,
        [(BAD, 2, 1, 2)] if not kept.was_failing else [(BAD, 0, 1, 2)],
    )
    resumed = await _service(store).resume_host(BAD, actor="ann", dead_letters=True)
    assert resumed is not None
    assert resumed.redelivered == 2
    (first,) = await lease(store, now_ms=T0 + 1000, limit=1)
    assert first.url == f"{BAD}/hook/3"
    leased = [first, *await lease(store, now_ms=T0 + 1000)]
    assert sorted(due.url for due in leased) == [f"{BAD}/hook/{number}" for number in (1, 2, 3)]
    await finish(store, leased)
    assert await _hosts(store) == [(BAD, 0, 0, 0)]


async def test_dead_letters_of_subscriptions_are_not_a_hosts(store: Store) -> None:
    await subscribe(store, url=f"{BAD}/hook")
    await publish_events(store, 2)
    await finish(store, await lease(store), DeliveryState.DEAD)
    assert await _hosts(store) == []
    assert await _service(store).resume_host(BAD, actor="ann", dead_letters=True) is None
    assert await _service(store).resume_host("sub_1", actor="ann", dead_letters=True) is None
    assert await store.endpoints.requeue_dead("sub_1", limit=10, now_ms=T0) == 0


async def test_more_than_one_transaction_of_deliveries_is_resumed(store: Store) -> None:
    await subscribe(store)
    await publish_events(store, LIMIT + 3)
    leased = await lease(store, limit=10 * LIMIT)
    await _fail(store, leased)
    entry = AuditEntry(actor="ann", action="subscription resumed")
    resumed = await _service(store).resume("sub_1", entry)
    assert resumed == ResumedEndpoint(was_failing=True, made_due=LIMIT + 3)


NOT_RECEIVED = DeliverySearch(host=BAD, states=frozenset({DeliveryState.PENDING, DeliveryState.DEAD}))


async def test_what_a_host_has_not_received_is_paged_and_filtered(store: Store) -> None:
    await _notified(store, BAD, 1, 2)
    await finish(store, await lease(store), DeliveryState.DEAD)
    await _notified(store, BAD, 3)
    await finish(store, await lease(store))
    await _notified(store, BAD, 4)
    await _notified(store, GOOD, 5)
    seen, cursor = list[str](), None
    for _ in range(3):
        page = await store.delivery_search.page(NOT_RECEIVED, limit=1, cursor=cursor)
        seen += [each.endpoint for each in page.deliveries]
        cursor = page.next_cursor
    assert (seen, cursor) == ([f"{BAD}/hook/{number}" for number in (4, 2, 1)], None)
    for state, count in ((DeliveryState.DEAD, 2), (DeliveryState.PENDING, 1)):
        found = await store.delivery_search.page(replace(NOT_RECEIVED, states=frozenset({state})))
        assert len(found.deliveries) == count


async def test_each_statement_alone_leaves_what_a_race_has_changed(store: Store) -> None:
    await _notified(store, BAD, 1, 2)
    (leased,) = await lease(store, limit=1)
    await _fail(store, await lease(store))
    (late,) = [each for each in (await store.delivery_search.page(NOT_RECEIVED)).deliveries if each.id != leased.id]

    async def changed(statement: str, delivery: str, now_ms: int) -> int:
        return await store.engine.write(lambda tx: tx.execute_and_count(statement, id=delivery, now_ms=now_ms))

    assert await changed("bring_forward", leased.id, T0 - 1) == 0  # it is being posted
    assert await changed("bring_forward", late.id, LATE_MS + 1) == 0  # it is due already
    assert await changed("requeue_dead", late.id, T0) == 0  # it is pending
    assert await changed("bring_forward", late.id, T0 + 1) == 1


@pytest.mark.parametrize("text", ["https://A.example:8443/x?y", "https://a.EXAMPLE:8443", "https://a.example:8443/"])
def test_any_url_on_a_host_names_it(text: str) -> None:
    assert notify_host(text) == "https://a.example:8443"


@pytest.mark.parametrize(
    "text", ["", "a.example", "ftp://a.example", "https://", "https://[", "sub_1", "https://a\n.b"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is not the address of a host"):
        notify_host(text)

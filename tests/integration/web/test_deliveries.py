"""Deliveries over HTTP: found by subscription, shown with every try, made due again."""

from submitter.model import TaskState
from tests.support.builders import T0, a_report, notified
from tests.support.raw_server import Peer, RawServer, reply, serving
from tests.support.service import Served, is_problem
from tests.support.subscriptions_over_http import (
    HOOK,
    create_subscription,
    delete_subscription,
    deliveries_of,
    finish_tasks,
)


async def test_deliveries_are_listed_by_subscription_and_state(service: Served) -> None:
    first, second = [await create_subscription(service) for _ in range(2)]
    await service.services.store.submissions.open_task(
        notified("tsk_9", HOOK, state=TaskState.RUNNING, provider_task_id="p9", next_poll_ms=None), T0
    )
    await service.services.store.ledger.record([a_report(provider_task_id="p9")], T0)
    found = await deliveries_of(service, first["id"])
    assert [(each["subscription"], each["endpoint"], each["task"]) for each in found] == [(first["id"], HOOK, "tsk_9")]
    assert await deliveries_of(service, second["id"], "dead") == []
    everybody = (await service.get("/v1/deliveries")).json()["deliveries"]
    assert {each["subscription"] for each in everybody} == {first["id"], second["id"], None}


async def test_an_unknown_subscription_has_no_deliveries(service: Served) -> None:
    await create_subscription(service)
    await finish_tasks(service, 1)
    page = await service.get("/v1/deliveries?subscription=sub_nobody")
    assert page.json() == {"deliveries": [], "next_cursor": None}


async def test_the_deliveries_of_a_subscription_are_paged_newest_first(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    await create_subscription(service)
    await finish_tasks(service, 1, 2, 3)
    wanted = {"subscription": name, "limit": "2"}
    first = (await service.get("/v1/deliveries", params=wanted)).json()
    second = (await service.get("/v1/deliveries", params=wanted | {"cursor": first["next_cursor"]})).json()
    assert [each["event_seq"] for each in first["deliveries"] + second["deliveries"]] == [3, 2, 1]
    assert second["next_cursor"] is None


async def test_a_delivery_is_shown_with_each_attempt_and_is_redelivered_under_its_id(
    service: Served,
) -> None:
    async def failing_once(peer: Peer, number: int) -> None:
        await peer.say(reply(b"later", status=b"500 Oh") if number == 1 else reply(b"taken"))

    async with serving(failing_once) as endpoint:
        name = (await create_subscription(service, url=endpoint.url))["id"]
        await finish_tasks(service, 1)
        (delivery,) = await deliveries_of(service, name)
        place = f"/v1/deliveries/{delivery['id']}"
        assert (await service.get(place, key="read")).json() == delivery | {"tries": []}
        await service.services.deliverer.deliver_once(limit=10)
        shown = (await service.get(place)).json()
        assert [(each["status"], each["response"]) for each in shown["tries"]] == [(500, "later")]
        again = await service.post(f"{place}/redeliver", key="operate")
        assert (again.status_code, again.json()["attempts"]) == (202, 0)
        await service.services.deliverer.deliver_once(limit=10)
        shown = (await service.get(place)).json()
    assert (shown["state"], [each["status"] for each in shown["tries"]]) == ("delivered", [500, 200])
    assert len(set(_ids(endpoint))) == 1


def _ids(endpoint: RawServer) -> list[bytes]:
    lines = [line for request in endpoint.requests for line in request.lower().split(b"\r\n")]
    return [line for line in lines if line.startswith(b"webhook-id:")]


async def test_a_delivery_that_is_not_there_is_answered_404(service: Served) -> None:
    is_problem(await service.get("/v1/deliveries/dlv_none"), 404)
    is_problem(await service.post("/v1/deliveries/dlv_none/redeliver"), 404)


async def test_a_delivery_of_a_deleted_subscription_is_not_made_due_again(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    await finish_tasks(service, 1)
    (delivery,) = await deliveries_of(service, name)
    await delete_subscription(service, name)
    refused = is_problem(await service.post(f"/v1/deliveries/{delivery['id']}/redeliver"), 409)
    assert refused["detail"] == "Its subscription was deleted, and nothing is sent for it any more."
    assert (await service.get(f"/v1/deliveries/{delivery['id']}")).json() == delivery | {"tries": []}


async def test_showing_a_delivery_needs_the_right_to_read(service: Served) -> None:
    is_problem(await service.get("/v1/deliveries/dlv_none", key="operate"), 403)

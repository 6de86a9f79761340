"""What a key that is limited to providers or a label sees and changes."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.service import Served, is_problem, served
from tests.support.subscriptions_over_http import create_subscription

pytestmark = pytest.mark.asyncio(loop_scope="module")

WANTED = {"name": "farm", "scopes": ["read", "submit"]}


@pytest_asyncio.fixture(name="service", scope="module", loop_scope="module")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("keys")) as service:
        yield service


async def created(service: Served, **wanted: Any) -> dict[str, Any]:
    reply = await service.post("/v1/keys", {**WANTED, **wanted})
    assert reply.status_code == 201, reply.text
    key: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/v1/keys/{key['id']}"
    return key


async def gets(service: Served, key: str, path: str = "/v1/tasks") -> httpx.Response:
    return await service.http.get(path, headers={"Authorization": f"Bearer {key}"})


async def revoke(service: Served, key_id: str) -> httpx.Response:
    return await service.http.delete(f"/v1/keys/{key_id}", headers=service.key("all"))


async def test_a_limited_key_sees_no_deliveries_to_subscriptions_of_others(service: Served) -> None:
    """Whoever sees a task does not see the addresses of everybody who is told of it."""
    made = await created(service, name="no-addresses", scopes=["read", "operate"], label="team=films")
    everybody = await create_subscription(service, description="of everybody")
    same = await create_subscription(service, labels={"team": "films"}, description="of the same conditions")
    own = await create_subscription(service, made["key"], description="its own")
    await service.has("tsk_films", "p-films", labels={"team": "films"})
    await service.services.store.ledger.record([a_report(provider_task_id="p-films")], service.services.clock())
    paths = ("/v1/tasks/tsk_films/timeline", "/v1/tasks/tsk_films/explain", "/v1/deliveries?task=tsk_films")
    for path in paths:
        shown, hidden = (await service.get(path)).text, (await gets(service, made["key"], path)).text
        assert everybody["id"] in shown
        assert own["id"] in shown
        assert own["id"] in hidden
        assert everybody["id"] not in hidden
        assert same["id"] not in hidden


@pytest.mark.parametrize("limits", [{"providers": ["hiapi"]}, {"label": "team=films"}])
async def test_a_limited_key_sees_and_changes_only_the_subscriptions_that_it_created(
    service: Served, limits: dict[str, Any]
) -> None:
    """Another one receives the same events, and its secret and its address are not for this key."""
    name = f"subscriber-{next(iter(limits))}"
    made = await created(service, name=name, scopes=["read", "operate"], **limits)
    headers = {"Authorization": f"Bearer {made['key']}"}
    conditions: dict[str, Any] = {"providers": ["hiapi"], "labels": {"team": "films"}}
    twin = await created(service, name=f"{name}-twin", scopes=["read", "operate"], **limits)
    others = [
        await create_subscription(service, **conditions),
        await create_subscription(service, twin["key"], **conditions),
    ]
    own = await create_subscription(service, made["key"], **conditions)
    for path in ("/v1/subscriptions", "/v1/subscriptions?limit=1"):
        listed = (await service.http.get(path, headers=headers)).json()
        assert [each["id"] for each in listed["subscriptions"]] == [own["id"]]
        assert listed["next_cursor"] is None
    acts = [("PATCH", "", {"url": "https://hooks.example/mine"}), ("POST", "/rotate-secret", {"overlap_s": 0})]
    acts += [("POST", "/replay", {"first_seq": 1}), ("POST", "/resume", None), ("DELETE", "", None)]
    for other in others:
        before = (await service.get(f"/v1/subscriptions/{other['id']}")).json()
        for method, rest, body in [*acts, ("GET", "", None), ("POST", "/test", None)]:
            path = f"/v1/subscriptions/{other['id']}{rest}"
            is_problem(await service.http.request(method, path, json=body, headers=headers), 404)
        assert (await service.get(f"/v1/subscriptions/{other['id']}")).json() == before
    for method, rest, body in acts:
        path = f"/v1/subscriptions/{own['id']}{rest}"
        assert (await service.http.request(method, path, json=body, headers=headers)).is_success


@pytest.mark.parametrize("force", [True, False])
async def test_a_key_limited_to_a_label_settles_no_task_with_an_id_of_the_account(
    service: Served, *, force: bool
) -> None:
    """The id may be that of the task of another, whose end and files the key would then see."""
    limits = {"scopes": ["read", "operate"], "providers": ["hiapi"]}
    labelled = await created(service, name=f"settles-{force}", label="team=films", **limits)
    provider_alone = await created(service, name=f"settles-of-hiapi-{force}", **limits)
    await service.has(f"tsk_theirs_{force}", f"p-theirs-{force}", labels={"team": "ads"})
    await service.has(f"tsk_lost_{force}", None, labels={"team": "films"})
    path = f"/v1/tasks/tsk_lost_{force}/settle"
    headers = {"Authorization": f"Bearer {labelled['key']}"}
    for named in (f"p-theirs-{force}", "p-that-the-ledger-does-not-know"):
        reply = await service.http.post(path, json={"task_id": named, "force": force}, headers=headers)
        assert "limited to a label" in is_problem(reply, 403)["detail"]
        assert "tsk_theirs" not in reply.text
    assert (await service.get(f"/v1/tasks/tsk_lost_{force}")).json()["state"] == "uncertain"
    headers = {"Authorization": f"Bearer {provider_alone['key']}"}
    reply = await service.http.post(path, json={"task_id": "p-lost", "force": True}, headers=headers)
    assert reply.json()["task_id" if force else "status"] == ("p-lost" if force else 409), reply.text


@pytest.mark.parametrize("limits", [{"providers": ["hiapi"]}, {"label": "team=queue"}])
async def test_the_queue_of_a_limited_key_begins_with_its_own_tasks(service: Served, limits: dict[str, Any]) -> None:
    """Those of others, which are sent before, take no room on its page."""
    made = await created(service, name=f"queue-{next(iter(limits))}", scopes=["read"], **limits)
    now_ms = service.services.clock()
    waiting = {"state": TaskState.QUEUED, "queued_ms": now_ms, "queued_until_ms": 2**52}
    word = made["id"]
    for number in range(3):
        await service.has(f"tsk_before_{number}{word}", None, provider="dashscope", **waiting)
    labels = {"team": "queue"}
    own = [f"tsk_own_{number}{word}" for number in range(3)]
    for name in own:
        await service.has(name, None, provider="hiapi", labels={**labels, "of": word}, **waiting)
    await service.has(f"tsk_other_{word}", None, provider="dashscope", labels={"of": word}, **waiting)
    for path, shown, has_more in (
        ("/v1/queue?limit=2", 2, True),
        (f"/v1/queue?limit=3&label=of={word}", 3, False),
        ("/v1/queue?limit=2&provider=hiapi", 2, True),
    ):
        found = (await gets(service, made["key"], path)).json()
        assert [len(found["tasks"]), found["has_more"]] == [shown, has_more], path
        assert {each["provider"] for each in found["tasks"]} <= {"hiapi"}
        assert all(each["labels"]["team"] == "queue" for each in found["tasks"])
    elsewhere = await gets(service, made["key"], "/v1/queue?limit=2&provider=dashscope")
    if "providers" in limits:
        assert "dashscope" not in is_problem(elsewhere, 400)["errors"][0]["accepted"]
    else:
        assert elsewhere.json()["tasks"] == []


async def test_a_run_belongs_to_a_key_and_not_to_its_name(service: Served) -> None:
    """After a revocation the name is free, and the limited key that has it next is another one's."""
    wanted = {"name": "runs", "scopes": ["read", "operate"], "providers": ["hiapi"]}
    first = await created(service, **wanted)
    headers = {"Authorization": f"Bearer {first['key']}", "Idempotency-Key": "the-same"}
    body = {"all": True}
    started = (await service.http.post("/v1/tasks/reconcile", json=body, headers=headers)).json()["id"]
    assert (await gets(service, first["key"], f"/v1/runs/{started}")).status_code == 200
    await revoke(service, first["id"])
    second = await created(service, **wanted)
    headers = {"Authorization": f"Bearer {second['key']}", "Idempotency-Key": "the-same"}
    is_problem(await gets(service, second["key"], f"/v1/runs/{started}"), 404)
    is_problem(await service.http.post(f"/v1/runs/{started}/stop", headers=headers), 404)
    own = await service.http.post("/v1/tasks/reconcile", json=body, headers=headers)
    assert "idempotency-replayed" not in own.headers
    assert own.json()["id"] != started
    assert (await gets(service, second["key"], f"/v1/runs/{own.json()['id']}")).status_code == 200
    assert (await service.get(f"/v1/runs/{started}")).json()["actor"] == "key runs"


async def test_a_key_limited_to_a_label_does_not_read_how_busy_the_account_of_all_is(service: Served) -> None:
    labelled = await created(service, name="busy-label", scopes=["read"], label="team=busy")
    of_provider = await created(service, name="busy-provider", scopes=["read"], providers=["hiapi"])
    counted = ("unfinished", "queued", "in_flight")
    for key, is_told in ((labelled["key"], False), (of_provider["key"], True)):
        listed = (await gets(service, key, "/v1/providers")).json()["providers"]
        shown = (await gets(service, key, "/v1/providers/hiapi")).json()
        for found in (*listed, shown):
            assert [isinstance(found[name], int) for name in counted] == [is_told] * 3
            assert is_told or [found[name] for name in counted] == [None] * 3
        assert (shown["polls_waiting"] is not None) is is_told
        assert is_told or shown["polls_waiting_since"] is None

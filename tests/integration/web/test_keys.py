"""API keys over HTTP: created, shown once, used at once, revoked; and never more than their creator has."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from receiver.config.settings import Settings
from receiver.runtime.key_repository import FIRST_ID
from receiver.runtime.wiring import open_services
from receiver.store.audit import AuditSearch
from receiver.store.errors import StoreUnavailable
from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.service import KEYS, Served, is_problem, served
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


async def test_a_created_key_works_at_once_and_is_shown_in_no_later_answer(service: Served) -> None:
    made = await created(service, name="at-once", providers=["hiapi"], label="team=films")
    secret = made.pop("key")
    assert re.fullmatch(r"wf_[A-Za-z0-9_-]{43}", secret)
    assert (await gets(service, secret)).status_code == 200
    shown = (await service.get(f"/v1/keys/{made['id']}")).json()
    assert {**shown, "last_used_at": None} == made
    assert (made["scopes"], made["providers"], made["label"]) == (["read", "submit"], ["hiapi"], "team=films")
    assert (made["created_by"], made["is_setting"], made["revoked_at"]) == ("key all", False, None)
    for reply in [await service.get("/v1/keys"), await service.get(f"/v1/keys/{made['id']}")]:
        assert secret not in reply.text


async def test_a_created_key_is_shown_where_the_ledger_fails_once_it_is_stored(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> Any:
        raise StoreUnavailable("the ledger is locked")

    with monkeypatch.context() as failing:
        failing.setattr(type(service.services.store.keys), "living_since", fails)
        made = await created(service, name="shown-all-the-same")
    assert (await gets(service, made["key"])).status_code == 200


async def test_the_ledger_the_audit_and_the_log_hold_nothing_of_a_key(service: Served) -> None:
    with capture_logs() as lines:
        secret = (await created(service, name="nowhere"))["key"]
        await gets(service, secret)
        await gets(service, f"{secret}x")
    rows = (await service.services.store.audit.page(AuditSearch(action="key created"))).rows
    assert rows[0].detail["name"] == "nowhere"
    stored = service.services.settings.database.url.removeprefix("sqlite:///")
    files = b"".join(path.read_bytes() for path in Path(stored).parent.iterdir())
    for text in (str(lines), str(rows)):
        assert secret not in text
    assert secret.encode() not in files


async def test_a_revoked_key_stops_at_once_and_is_listed_as_revoked(service: Served) -> None:
    made = await created(service, name="short-lived")
    assert (await gets(service, made["key"])).status_code == 200
    revoked = await revoke(service, made["id"])
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"] is not None
    is_problem(await gets(service, made["key"]), 401)
    again = await revoke(service, made["id"])
    assert again.json() == revoked.json()
    listed = {key["name"]: key["revoked_at"] for key in (await service.get("/v1/keys?limit=200")).json()["keys"]}
    assert listed["short-lived"] == revoked.json()["revoked_at"]
    rows = (await service.services.store.audit.page(AuditSearch(action="key revoked"))).rows
    assert [(row.actor, row.detail["name"]) for row in rows] == [("key all", "short-lived")]


async def test_another_process_takes_a_new_key_at_once_and_refuses_a_revoked_one_soon(tmp_path: Path) -> None:
    async with served(tmp_path) as one, served(tmp_path) as two:
        made = await created(one)
        assert (await gets(two, made["key"])).status_code == 200
        assert (await revoke(one, made["id"])).status_code == 200
        async with asyncio.timeout(60):
            while (await gets(two, made["key"])).status_code == 200:
                await asyncio.sleep(0.05)
        is_problem(await gets(two, made["key"]), 401)


async def test_keys_of_the_settings_are_listed_first_and_revoked_in_the_settings_alone(service: Served) -> None:
    listed = (await service.get("/v1/keys?limit=200")).json()["keys"]
    assert [key["name"] for key in listed[: len(KEYS)]] == list(KEYS)
    assert [key["is_setting"] for key in listed] == [True] * len(KEYS) + [False] * (len(listed) - len(KEYS))
    assert listed[0]["id"] == "setting_all"
    assert (await service.get("/v1/keys/setting_all")).json() == listed[0]
    problem = is_problem(await revoke(service, "setting_read"), 409)
    assert "WHENFINAL_API_KEYS" in problem["detail"]
    assert (await service.get("/v1/tasks", key="read")).status_code == 200


async def test_a_name_belongs_to_one_key(service: Served) -> None:
    made = await created(service, name="twice")
    assert "twice already" in is_problem(await service.post("/v1/keys", {**WANTED, "name": "twice"}), 409)["detail"]
    assert "settings" in is_problem(await service.post("/v1/keys", {**WANTED, "name": "read"}), 409)["detail"]
    await revoke(service, made["id"])
    second = await created(service, name="twice")
    assert second["id"] != made["id"]
    assert [key["id"] for key in (await service.get("/v1/keys?name=twice")).json()["keys"]] == [second["id"]]
    assert [key["id"] for key in (await service.get("/v1/keys?name=all")).json()["keys"]] == ["setting_all"]
    assert (await service.get("/v1/keys?name=nobody")).json()["keys"] == []


async def test_nobody_creates_a_key_with_a_scope_that_he_has_not(service: Served) -> None:
    detail = is_problem(await service.post("/v1/keys", {**WANTED, "name": "more"}, key="operate"), 403)["detail"]
    assert "read and submit" in detail
    reply = await service.post("/v1/keys", {"name": "as-much", "scopes": ["operate"]}, key="operate")
    assert reply.status_code == 201
    assert (await service.get("/v1/keys?name=more")).json()["keys"] == []


@pytest.mark.parametrize("limits", [{"providers": ["hiapi"]}, {"label": "team=films"}])
async def test_a_limited_key_creates_lists_and_revokes_none(service: Served, limits: dict[str, Any]) -> None:
    made = await created(service, name=f"limited-{next(iter(limits))}", scopes=["operate"], **limits)
    headers = {"Authorization": f"Bearer {made['key']}"}
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{made['id']}"), ("DELETE", "/setting_read")):
        reply = await service.http.request(
            method, f"/v1/keys{path}", headers=headers, json={"name": "x", "scopes": ["operate"]}
        )
        assert "limited" in is_problem(reply, 403)["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a:b"}, "name"),
        ({"name": "new\n"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes.0"),
        ({"scopes": "read"}, "scopes"),
        ({"scopes": ["read"] * 4}, "scopes"),
        ({"providers": []}, "providers"),
        ({"providers": ["nowhere"]}, "providers.0"),
        ({"label": "team"}, "label"),
        ({"label": "=films"}, "label"),
        ({"label": "team=" + "x" * 257}, "label"),
        ({"label": "te\u0007am=x"}, "label"),
        ({"until": "tomorrow"}, "until"),
        ({"key": "wf_mine"}, "key"),
    ],
)
async def test_a_bad_key_is_refused_with_the_field_and_the_rule(
    service: Served, changes: dict[str, Any], field: str
) -> None:
    before = await service.services.store.keys.page(limit=200)
    problem = is_problem(await service.post("/v1/keys", {**WANTED, "name": "bad", **changes}), 422)
    assert field in {each["field"] for each in problem["errors"]}
    assert await service.services.store.keys.page(limit=200) == before


@pytest.mark.parametrize("key_id", ["key_unknown", "setting_nobody", "x", "%00", "key_" + "0" * 26])
async def test_an_unknown_id_is_not_found(service: Served, key_id: str) -> None:
    for reply in (await service.get(f"/v1/keys/{key_id}"), await revoke(service, key_id)):
        assert reply.status_code in ({400} if key_id == "%00" else {404})


async def test_pages_of_keys_hold_each_once(service: Served) -> None:
    for number in range(5):
        await created(service, name=f"page-{number}")
    seen, cursor = [], ""
    while cursor is not None:
        page = (await service.get(f"/v1/keys?limit=3{cursor and '&cursor='}{cursor}")).json()
        seen += [key["id"] for key in page["keys"]]
        cursor = page["next_cursor"]
    assert len(set(seen)) == len(seen)
    assert len([each for each in seen if each.startswith("setting_")]) == len(KEYS)


async def test_the_last_use_is_shown(service: Served) -> None:
    made = await created(service, name="used")
    assert (await gets(service, made["key"])).status_code == 200
    async with asyncio.timeout(60):
        while (await service.get(f"/v1/keys/{made['id']}")).json()["last_used_at"] is None:
            await asyncio.sleep(0.05)


async def test_a_session_of_the_dashboard_ends_with_its_key(service: Served) -> None:
    made = await created(service, name="looker")
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as browser:
        home = {"Origin": service.url}
        await browser.post("/ops/sign-in", data={"key": made["key"]}, headers=home)
        assert (await browser.get("/ops/tasks")).status_code == 200
        await revoke(service, made["id"])
        away = await browser.get("/ops/tasks")
    assert (away.status_code, "ended=1" in away.headers["location"]) == (303, True)


async def test_a_session_that_began_at_another_process_counts_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as one, served(tmp_path) as two:
        made = await created(one)
        async with httpx.AsyncClient(trust_env=False) as browser:
            await browser.post(f"{one.url}/ops/sign-in", data={"key": made["key"]}, headers={"Origin": one.url})
            browser.cookies.set("whenfinal_ops", browser.cookies["whenfinal_ops"], domain="127.0.0.1")
            assert (await browser.get(f"{two.url}/ops/tasks")).status_code == 200


async def test_a_limited_key_does_not_sign_in(service: Served) -> None:
    made = await created(service, name="no-pages", label="team=films")
    reply = await service.http.post("/ops/sign-in", data={"key": made["key"]}, headers={"Origin": service.url})
    assert (reply.status_code, "This key is limited" in reply.text) == (403, True)
    assert not reply.cookies


async def test_the_first_key_is_revoked_once_another_one_may_create(tmp_path: Path) -> None:
    first: list[str] = []
    async with AsyncExitStack() as stack:
        settings = Settings.from_mapping({"WHENFINAL_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}"})
        async with open_services(settings, show_key=first.append):
            pass
        service = await stack.enter_async_context(served(tmp_path, WHENFINAL_API_KEYS=""))
        headers = {"Authorization": f"Bearer {first[0]}"}
        (listed,) = (await service.http.get("/v1/keys", headers=headers)).json()["keys"]
        assert (listed["id"], listed["name"], listed["is_setting"]) == (FIRST_ID, "first", False)
        refused = await service.http.delete(f"/v1/keys/{FIRST_ID}", headers=headers)
        assert "Create another first" in is_problem(refused, 409)["detail"]
        body = {"name": "ops", "scopes": ["operate", "read"]}
        made = (await service.http.post("/v1/keys", json=body, headers=headers)).json()
        assert (await service.http.delete(f"/v1/keys/{FIRST_ID}", headers=headers)).status_code == 200
        is_problem(await service.http.get("/v1/tasks", headers=headers), 401)
        assert (await gets(service, made["key"])).status_code == 200
        assert json.loads((await gets(service, made["key"], "/v1/keys")).content)["keys"][0]["name"] == "ops"


async def test_a_limited_key_reads_no_metrics_and_of_readiness_the_accounts_within(service: Served) -> None:
    made = await created(service, name="no-metrics", providers=["dashscope"])
    problem = is_problem(await gets(service, made["key"], "/metrics"), 403)
    assert problem["type"] == "urn:whenfinal:problem:outside-limits"
    now_ms = service.services.clock()
    for name in ("hiapi", "dashscope"):
        await service.services.store.accounts.pause(
            name, until_ms=now_ms + 60_000, reason="denied", alarm=None, now_ms=now_ms
        )
    ready = (await gets(service, made["key"], "/readyz")).json()
    assert [account["provider"] for account in ready["accounts"]] == ["dashscope"]
    every = (await service.get("/readyz")).json()
    assert {account["provider"] for account in every["accounts"]} == {"hiapi", "dashscope"}


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
        ("/v1/queue?limit=2&provider=dashscope", 0, False),
    ):
        found = (await gets(service, made["key"], path)).json()
        assert [len(found["tasks"]), found["has_more"]] == [shown, has_more], path
        assert {each["provider"] for each in found["tasks"]} <= {"hiapi"}
        assert all(each["labels"]["team"] == "queue" for each in found["tasks"])


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

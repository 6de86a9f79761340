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
from tests.support.service import KEYS, Served, is_problem, served

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

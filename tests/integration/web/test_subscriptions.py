"""Subscriptions and replays over HTTP, on the real application; endpoints are servers of bytes on real sockets."""

import asyncio
import base64
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator

from receiver.events.model.event import EventType
from receiver.web.schemas.subscriptions import ChangeSubscriptionRequest, CreateSubscriptionRequest
from receiver.webhooks.model.request import SubscriptionRequest
from submitter.standard_webhooks import verify_webhook
from tests.support.raw_server import RawServer, reply, replying, serving
from tests.support.service import Served, is_problem
from tests.support.subscriptions_over_http import (
    HOOK,
    PATH,
    create_subscription,
    delete_subscription,
    deliveries_of,
    finish_tasks,
    patch_subscription,
    replay_subscription,
)

OWN_SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
MEMBERS = (
    "id url description state types providers models labels asymmetric public_key cloudevents handshake rate_per_s "
    "granted_per_s max_in_flight created_at changed_at disabled previous_secret_until breaker"
)
FULL: dict[str, Any] = {
    "url": HOOK,
    "description": "films that failed",
    "types": ["task.failed", "task.expired"],
    "providers": ["hiapi"],
    "models": ["a", "b"],
    "labels": {"film": "1"},
    "secret": OWN_SECRET,
    "asymmetric": True,
    "cloudevents": True,
    "rate_per_s": 2.5,
    "max_in_flight": 3,
}


# Create and show.


async def test_a_subscription_is_made_with_its_place_and_its_secret_once(service: Served) -> None:
    made = await service.post(PATH, {"url": HOOK}, key="operate")
    found = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"{PATH}/{found['id']}")
    assert found["secret"].startswith("whsec_")
    shown = (await service.get(made.headers["location"], key="read")).json()
    assert shown.pop("deliveries") == {"pending": 0, "dead": 0, "last_failed": None}
    assert found == shown | {"secret": found["secret"]}
    assert list(shown) == MEMBERS.split()
    assert "whsec_" not in (await service.get(PATH)).text


async def test_a_full_request_is_stored_as_it_was_given(service: Served) -> None:
    made = await create_subscription(service, **FULL)
    expected = FULL | {"types": sorted(FULL["types"])}
    assert {name: made[name] for name in FULL} == expected
    assert made["public_key"].startswith("whpk_")
    assert made["breaker"] == {
        "state": "closed",
        "failures": 0,
        "failing_since": None,
        "paused_until": None,
        "slow_per_s": None,
    }


def test_the_bodies_have_the_fields_that_the_service_knows() -> None:
    order = set(SubscriptionRequest.__dataclass_fields__)
    assert set(CreateSubscriptionRequest.model_fields) == order
    assert set(ChangeSubscriptionRequest.model_fields) == order - {"secret"} | {"enabled"}


async def test_subscriptions_are_paged_newest_first(service: Served) -> None:
    made = [(await create_subscription(service, description=str(number)))["id"] for number in range(5)]
    first = (await service.get(f"{PATH}?limit=3")).json()
    second = (await service.get(PATH, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in first["subscriptions"] + second["subscriptions"]] == made[::-1]
    assert second["next_cursor"] is None


async def test_subscriptions_are_listed_by_state(service: Served) -> None:
    first, second = [(await create_subscription(service))["id"] for _ in range(2)]
    await patch_subscription(service, first, {"enabled": False})
    for state, names in {"disabled": [first], "active": [second]}.items():
        page = (await service.get(PATH, params={"state": state})).json()
        assert [each["id"] for each in page["subscriptions"]] == names
    assert is_problem(await service.get(f"{PATH}?state=deleted"), 400)["errors"][0]["field"] == "state"


async def test_a_subscription_shows_its_backlog_and_why_the_last_delivery_failed(service: Served) -> None:
    async with serving(replying(reply(b"", status=b"500 Oh"))) as endpoint:
        name = (await create_subscription(service, url=endpoint.url))["id"]
        await finish_tasks(service, 1, 2)
        await service.services.deliverer.deliver_once(limit=1)
        result = (await service.get(f"{PATH}/{name}")).json()["deliveries"]
    assert (result["pending"], result["dead"], result["last_failed"]["status"]) == (2, 0, 500)
    assert result["last_failed"]["id"] in {each["id"] for each in await deliveries_of(service, name)}


async def test_every_broken_rule_of_a_request_is_named_at_once_and_nothing_is_stored(service: Served) -> None:
    order = {
        "url": "ftp://hooks.example",
        "types": ["task.done"],
        "providers": ["nobody"],
        "models": [""],
        "labels": {"": "x"},
        "secret": "whsec_short",
        "handshake": False,
        "rate_per_s": -1,
        "max_in_flight": 0,
        "description": "x" * 501,
    }
    problem = is_problem(await service.post(PATH, order), 422)
    named = {error["field"] for error in problem["errors"]}
    assert named == set(order) - {"handshake"}
    assert all(error["rule"] and error["accepted"] for error in problem["errors"])
    assert "whsec_short" not in json.dumps(problem)
    assert (await service.get(PATH)).json()["subscriptions"] == []


UNFIT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"url": None}, "url"),
    ({"url": "http://169.254.169.254/latest"}, "url"),
    ({"types": "task.failed"}, "types"),
    ({"types": [1]}, "types.0"),
    ({"labels": {"a": 1}}, "labels.a"),
    ({"asymmetric": "yes"}, "asymmetric"),
    ({"rate_per_s": 10**400}, "rate_per_s"),
    ({"max_in_flight": 1.5}, "max_in_flight"),
    ({"max_in_flight": 10**400}, "max_in_flight"),
    ({"enabled": True}, "enabled"),
    ({"providers": ["hiapi"] * 1001}, "providers"),
)


async def test_an_unfit_value_is_answered_422_and_named(service: Served) -> None:
    for change, field in UNFIT:
        problem = is_problem(await service.post(PATH, {"url": HOOK} | change), 422)
        assert [error["field"] for error in problem["errors"]] == [field]


# Change and delete.


async def test_a_change_touches_only_what_is_given(service: Served) -> None:
    before = await create_subscription(service, **FULL)
    changed = (await patch_subscription(service, before["id"], {"description": "x", "types": ["task.failed"]})).json()
    expected = {**before, "description": "x", "types": ["task.failed"], "changed_at": changed["changed_at"]}
    expected.pop("secret")
    assert changed == expected


async def test_null_empties_a_condition_and_lifts_a_limit(service: Served) -> None:
    made = await create_subscription(service, **FULL)
    emptied = dict.fromkeys(("description", "types", "providers", "models", "labels", "rate_per_s", "max_in_flight"))
    changed = (await patch_subscription(service, made["id"], emptied)).json()
    assert {name: changed[name] for name in emptied} == {
        "description": "",
        "types": [],
        "providers": [],
        "models": [],
        "labels": {},
        "rate_per_s": None,
        "max_in_flight": None,
    }
    assert (changed["url"], changed["asymmetric"], changed["cloudevents"]) == (HOOK, True, True)


async def test_a_change_of_nothing_shows_the_subscription_as_it_is(service: Served) -> None:
    made = await create_subscription(service)
    await asyncio.sleep(0.005)
    assert (await patch_subscription(service, made["id"], {})).json() | {"secret": made["secret"]} == made


BAD_CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"secret": OWN_SECRET}, "secret"),
    ({"url": None}, "url"),
    ({"enabled": None}, "enabled"),
    ({"types": ["task.done"]}, "types"),
    ({"url": "http://10.0.0.1/x"}, "url"),
    ({"id": "sub_1"}, "id"),
)


async def test_a_change_that_breaks_a_rule_changes_nothing(service: Served) -> None:
    made = await create_subscription(service)
    for change, field in BAD_CHANGES:
        problem = is_problem(await patch_subscription(service, made["id"], {"description": "x"} | change), 422)
        assert [error["field"] for error in problem["errors"]] == [field]
    assert (await service.get(f"{PATH}/{made['id']}")).json()["description"] == ""


async def test_a_disabled_subscription_gets_no_new_deliveries_and_is_enabled_again(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    disabled = (await patch_subscription(service, name, {"enabled": False}, key="operate")).json()
    assert (disabled["state"], disabled["disabled"]["reason"]) == ("disabled", "by hand")
    await finish_tasks(service, 1)
    assert await deliveries_of(service, name) == []
    enabled = (await patch_subscription(service, name, {"enabled": True})).json()
    assert (enabled["state"], enabled["disabled"]) == ("active", None)
    await finish_tasks(service, 2)
    assert [each["task"] for each in await deliveries_of(service, name)] == ["tsk_2"]


async def test_a_deleted_subscription_is_gone(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    gone = await delete_subscription(service, name, key="operate")
    assert (gone.status_code, gone.content) == (204, b"")
    is_problem(await delete_subscription(service, name), 404)
    is_problem(await service.get(f"{PATH}/{name}"), 404)
    assert (await service.get(PATH)).json()["subscriptions"] == []


async def test_what_is_not_there_is_answered_404(service: Served) -> None:
    for method, rest, body in (
        ("GET", "", None),
        ("PATCH", "", {"description": "x"}),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("POST", "/replay", {"first_seq": 1}),
    ):
        answer = await service.http.request(method, f"{PATH}/sub_none{rest}", headers=service.key("all"), json=body)
        is_problem(answer, 404)


async def test_reading_needs_the_right_to_read_and_everything_else_the_right_to_operate(service: Served) -> None:
    name = (await create_subscription(service))["id"]
    for method, rest in (("GET", ""), ("GET", f"/{name}")):
        is_problem(await service.http.request(method, PATH + rest, headers=service.key("operate")), 403)
    for method, rest in (
        ("POST", ""),
        ("PATCH", f"/{name}"),
        ("DELETE", f"/{name}"),
        ("POST", f"/{name}/rotate-secret"),
        ("POST", f"/{name}/test"),
        ("POST", f"/{name}/replay"),
    ):
        for key in ("read", "submit"):
            is_problem(await service.http.request(method, PATH + rest, headers=service.key(key)), 403)


async def test_another_method_is_answered_405_with_those_that_are_taken(service: Served) -> None:
    answer = await service.http.put(f"{PATH}/sub_1", headers=service.key("all"))
    is_problem(answer, 405)
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"


# Rotate and test.


async def test_a_rotated_secret_is_shown_once_and_the_old_one_ends_later(service: Served) -> None:
    made = await create_subscription(service)
    rotated = (await service.post(f"{PATH}/{made['id']}/rotate-secret", key="operate")).json()
    assert rotated["secret"] not in {made["secret"], None}
    shown = (await service.get(f"{PATH}/{made['id']}")).json()
    assert {name: shown[name] for name in MEMBERS.split()} | {"secret": rotated["secret"]} == rotated
    assert shown["previous_secret_until"] > shown["changed_at"]


async def test_a_rotation_takes_a_given_secret_and_an_overlap_of_nothing(service: Served) -> None:
    made = await create_subscription(service)
    order = {"secret": OWN_SECRET, "overlap_s": 0}
    rotated = (await service.post(f"{PATH}/{made['id']}/rotate-secret", order)).json()
    assert (rotated["secret"], rotated["previous_secret_until"]) == (OWN_SECRET, None)


BAD_ROTATIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"secret": "whsec_QUJD"}, "secret"),
    ({"overlap_s": -1}, "overlap_s"),
    ({"overlap_s": 2_592_001}, "overlap_s"),
    ({"overlap_s": "24h"}, "overlap_s"),
    ({"overlap": 5}, "overlap"),
)


async def test_a_rotation_that_breaks_a_rule_leaves_the_secret(service: Served) -> None:
    made = await create_subscription(service)
    for order, field in BAD_ROTATIONS:
        problem = is_problem(await service.post(f"{PATH}/{made['id']}/rotate-secret", order), 422)
        assert [error["field"] for error in problem["errors"]] == [field]
    assert (await service.get(f"{PATH}/{made['id']}")).json()["previous_secret_until"] is None


def _headers_and_body(server: RawServer) -> tuple[tuple[tuple[str, str], ...], bytes]:
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    lines = [line.decode().partition(": ") for line in head.split(b"\r\n")[1:]]
    return tuple((name.lower(), value) for name, _, value in lines), body


async def test_a_test_is_sent_signed_and_its_answer_shown(service: Served) -> None:
    async with serving(replying(reply(b"thanks"))) as endpoint:
        made = await create_subscription(service, url=endpoint.url, asymmetric=True)
        result = (await service.post(f"{PATH}/{made['id']}/test", key="operate")).json()
    assert (result["delivered"], result["status"], result["error"], result["response"]) == (True, 200, None, "thanks")
    headers, body = _headers_and_body(endpoint)
    for key in (made["secret"], made["public_key"]):
        verify_webhook([key], headers, body, now_s=int(time.time()))
    assert json.loads(body)["type"] == "webhook.test"


async def test_a_test_that_is_not_delivered_says_why(service: Served) -> None:
    async with serving(replying(reply(b"no", status=b"500 Oh"))) as endpoint:
        made = await create_subscription(service, url=endpoint.url)
        result = (await service.post(f"{PATH}/{made['id']}/test")).json()
        assert (result["delivered"], result["status"], result["response"]) == (False, 500, "no")
    unreachable = await create_subscription(service)
    result = (await service.post(f"{PATH}/{unreachable['id']}/test")).json()
    assert (result["delivered"], result["status"]) == (False, None)
    assert result["error"]


async def test_a_refused_handshake_is_answered_422_and_nothing_is_stored(service: Served) -> None:
    async with serving(replying(reply(b"", status=b"405 No"))) as endpoint:
        problem = is_problem(await service.post(PATH, {"url": endpoint.url, "handshake": True}), 422)
    assert [error["field"] for error in problem["errors"]] == ["handshake"]
    assert (await service.get(PATH)).json()["subscriptions"] == []


async def test_a_granted_rate_is_shown(service: Served) -> None:
    headers = (b"WebHook-Allowed-Origin: *", b"WebHook-Allowed-Rate: 120")
    async with serving(replying(reply(b"", *headers))) as endpoint:
        made = await create_subscription(service, url=endpoint.url, handshake=True, rate_per_s=10)
    assert (made["handshake"], made["granted_per_s"], made["rate_per_s"]) == (True, 2.0, 10.0)


# What all of it leaves behind.


async def test_the_answers_fit_the_document(service: Served) -> None:
    document = (await service.http.get("/openapi.json")).json()

    def check(answer: httpx.Response, method: str, rest: str) -> None:
        described = document["paths"][PATH + rest][method]["responses"][str(answer.status_code)]
        (media,) = described["content"].values()
        OAS31Validator({**media["schema"], "components": document["components"]}).validate(answer.json())

    made = await service.post(PATH, FULL)
    check(made, "post", "")
    name = made.json()["id"]
    check(await service.post(PATH, {}), "post", "")
    check(await patch_subscription(service, name, {"enabled": False}), "patch", "/{id}")
    check(await service.get(f"{PATH}/{name}"), "get", "/{id}")
    check(await service.get(PATH), "get", "")
    check(await replay_subscription(service, name, first_seq=1), "post", "/{id}/replay")
    await patch_subscription(service, name, {"enabled": True})
    check(await replay_subscription(service, name, first_seq=1), "post", "/{id}/replay")
    check(await service.post(f"{PATH}/{name}/rotate-secret"), "post", "/{id}/rotate-secret")
    check(await service.post(f"{PATH}/{name}/test"), "post", "/{id}/test")
    assert document["paths"][f"{PATH}/{{id}}"]["delete"]["responses"]["204"].get("content") is None


async def test_the_document_lists_the_event_types_and_gives_a_change_no_defaults(service: Served) -> None:
    schemas = (await service.http.get("/openapi.json")).json()["components"]["schemas"]
    words = schemas["CreateSubscriptionRequest"]["properties"]["types"]["items"]["enum"]
    assert set(words) == set(EventType)
    assert not any("default" in each for each in schemas["ChangeSubscriptionRequest"]["properties"].values())


async def test_the_audit_of_changes_holds_no_secret(service: Served, tmp_path: Path) -> None:
    made = await create_subscription(service, **FULL)
    rotated = (await service.post(f"{PATH}/{made['id']}/rotate-secret")).json()
    await patch_subscription(service, made["id"], {"enabled": False})
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT actor, action, detail FROM audit ORDER BY id").fetchall()
    assert [row[:2] for row in rows] == [
        ("key all", "subscription created"),
        ("key all", "subscription secret rotated"),
        ("key all", "subscription disabled"),
    ]
    assert not any(secret in str(rows) for secret in (made["secret"], rotated["secret"], "whsec_"))

"""Kling's own documented behaviour: two generations, a token, errors in every status, callbacks at every change."""

import base64
import hmac
import json
import time
from typing import Any

import httpx
import pytest

from submitter.simulator.platforms.kling import signature
from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import ApiClient, calling, sink

SECRET = "whsec_c2ltLWtsaW5nLXdlYmhvb2stc2VjcmV0"
PROMPT = {"type": "prompt", "text": "a horse"}
FRAME = {"type": "first_frame", "url": PICTURE}
T2V, I2V, OMNI = "/text-to-video/kling-3.0", "/image-to-video/kling-3.0", "/omni-video/kling-3.0-omni"


async def _data(caller: ApiClient, path: str) -> Any:
    return (await caller.get("kling", path)).json()["data"]


async def _old(caller: ApiClient, kind: str = "text2video", **more: Any) -> str:
    body = {"model_name": "kling-v3", "prompt": "a horse", **more}
    return str((await caller.post("kling", f"/v1/videos/{kind}", body)).json()["data"]["task_id"])


def test_the_signature_is_that_of_the_worked_example() -> None:
    raw = (
        b'{"id":"900000000000000001","status":"succeeded","message":"","create_time":1790000000000,'
        b'"update_time":1790000130000}'
    )
    secret = "whsec_d2hlbmZpbmFsLWtsaW5nLWNoZWNrLWtleS0wMDAwMDE="
    expected = "v1,XpnWVY9hTKtSltgYmEc/3ORIMdU1iCLO/Z1yN8NrXyg="
    assert signature(secret, "900000000000000777", "1790000130", raw) == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (T2V, {}),
        (T2V, {"prompt": "x" * 3073}),
        (T2V, {"prompt": "x", "settings": {"duration": 2}}),
        (T2V, {"prompt": "x", "settings": {"duration": "5"}}),
        (T2V, {"prompt": "x", "settings": {"resolution": "720P"}}),
        (T2V, {"prompt": "x", "settings": {"aspect_ratio": "4:3"}}),
        (T2V, {"prompt": "x", "settings": {"audio": "original"}}),
        (T2V, {"prompt": "x", "options": {"callback_url": "ftp://x"}}),
        (I2V, {"contents": [PROMPT]}),
        (I2V, {"contents": [PROMPT, {"type": "last_frame", "url": PICTURE}]}),
        (I2V, {"contents": [PROMPT, FRAME, FRAME]}),
        (I2V, {"contents": [PROMPT, {"type": "first_frame", "url": "data:image/png;base64,QUJD"}]}),
        (OMNI, {"contents": [PROMPT]}),
        (OMNI, {"contents": [PROMPT, FRAME, *[{"type": "refer_image", "url": PICTURE}] * 8]}),
        ("/v1/videos/text2video", {"model_name": "kling-v3"}),
        ("/v1/videos/image2video", {"prompt": "x"}),
        ("/v1/videos/text2video", {"prompt": "x", "mode": "1080p"}),
        ("/v1/videos/text2video", {"prompt": "x", "duration": 5}),
        ("/v1/videos/text2video", {"prompt": "x", "cfg_scale": 2}),
    ],
)
async def test_every_documented_limit_is_a_1201(path: str, body: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.post("kling", path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, 1201)
        assert caller.sim.records().tasks == ()


async def test_unknown_members_are_ignored() -> None:
    async with calling() as caller:
        body = {"prompt": "x", "seed": 1, "negative_prompt": "y", "settings": {"fps": 60, "multi_shot": False}}
        assert (await caller.post("kling", T2V, body)).status_code == 200
        contents = [PROMPT, FRAME, {"type": "last_frame", "url": PICTURE}, {"type": "element", "element_id": 1}]
        assert (await caller.post("kling", I2V, {"contents": contents})).status_code == 200
        omni = {"contents": [PROMPT, {"type": "refer_image", "url": PICTURE, "id": "image_1"}]}
        settings = {"aspect_ratio": "1:1", "audio": "original"}
        assert (await caller.post("kling", OMNI, omni | {"settings": settings})).status_code == 200


async def test_a_task_of_the_new_generation_succeeded_and_one_of_the_old_did_succeed() -> None:
    async with calling() as caller:
        new, old = await caller.submit("kling"), await _old(caller, external_task_id="job-18")
        caller.sim.finish(new)
        caller.sim.finish(old)
        [shown] = await _data(caller, f"/tasks?task_ids={new}")
        other = await _data(caller, f"/v1/videos/text2video/{old}")
    assert (shown["status"], shown["outputs"][0]["type"]) == ("succeeded", "video")
    assert shown["outputs"][0]["url"].startswith(caller.sim.origin)
    assert (other["task_status"], other["task_info"]) == ("succeed", {"external_task_id": "job-18"})
    assert other["task_result"]["videos"][0]["url"].startswith(caller.sim.origin)
    assert shown["update_time"] >= shown["create_time"] > 10**12


async def test_a_task_is_known_in_its_own_generation_and_at_its_own_path_only() -> None:
    async with calling() as caller:
        new, old = await caller.submit("kling"), await _old(caller, "image2video", image=PICTURE)
        assert await _data(caller, f"/tasks?task_ids={old},unknown") == []
        assert [each["id"] for each in await _data(caller, f"/tasks?task_ids={new},unknown")] == [new]
        statuses = {
            kind: (await caller.get("kling", f"/v1/videos/{kind}/{old}")).status_code
            for kind in ("text2video", "image2video")
        }
    assert statuses == {"text2video": 400, "image2video": 200}


async def test_our_own_id_finds_a_task_and_is_no_guard_against_a_second_one() -> None:
    async with calling() as caller:
        ids = {await caller.submit("kling", options={"external_task_id": "job-17"}) for _ in range(2)}
        await caller.submit("kling")
        found = await _data(caller, "/tasks?external_task_ids=job-17")
        both = await caller.get("kling", "/tasks?external_task_ids=job-17&task_ids=1")
    assert {each["id"] for each in found} == ids
    assert {each["external_id"] for each in found} == {"job-17"}
    assert (both.status_code, both.json()["code"]) == (400, 1201)


async def test_the_new_list_goes_on_by_a_cursor_and_has_no_result_without_hits() -> None:
    async with calling() as caller:
        ids = [await caller.submit("kling") for _ in range(3)]
        first = (await caller.post("kling", "/tasks", {"limit": 2})).json()["data"]
        rest = (await caller.post("kling", "/tasks", {"limit": 2, "cursor": first["next_cursor"]})).json()["data"]
        wanted = {"filters": [{"key": "status", "values": ["succeeded"]}]}
        none = (await caller.post("kling", "/tasks", wanted)).json()["data"]
    assert [each["id"] for each in (*first["result"], *rest["result"])] == ids[::-1]
    assert (first["has_more"], rest["has_more"], none) == (
        True,
        False,
        {"count": 0, "next_cursor": "", "has_more": False},
    )


async def test_the_old_list_has_numbered_pages_of_one_path() -> None:
    async with calling() as caller:
        ids = [await _old(caller) for _ in range(3)]
        await _old(caller, "image2video", image=PICTURE)
        pages = [await _data(caller, f"/v1/videos/text2video?pageNum={number}&pageSize=2") for number in (1, 2, 3)]
    assert [[each["task_id"] for each in page] for page in pages] == [[ids[2], ids[1]], [ids[0]], []]


def _token(issuer: str = "sim-kling-key", secret: str = "sim-kling-secret-key", *, exp: float, nbf: float) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"iss": issuer, "exp": int(exp), "nbf": int(nbf)}]
    signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    proof = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(proof).rstrip(b'=').decode()}"


async def test_a_token_reaches_the_old_generation_only_and_has_a_life() -> None:
    now_s = time.time()
    tokens = {
        "right": _token(exp=now_s + 1800, nbf=now_s - 5),
        "expired": _token(exp=now_s - 1, nbf=now_s - 5),
        "early": _token(exp=now_s + 1800, nbf=now_s + 60),
        "other secret": _token(secret="x", exp=now_s + 1800, nbf=now_s - 5),
        "other issuer": _token("x", exp=now_s + 1800, nbf=now_s - 5),
        "cut": "a.b",
        "no token": "x",
    }
    codes = {}
    async with calling() as caller, httpx.AsyncClient(trust_env=False) as plain:
        for name, token in tokens.items():
            for path, body in (("/v1/videos/text2video", {"prompt": "x"}), (T2V, {"prompt": "x"})):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await plain.post(caller.sim.base_url("kling") + path, json=body, headers=headers)
                codes[name, path == T2V] = (answer.status_code, answer.json()["code"])
    assert codes.pop(("right", False)) == (200, 0)
    assert codes.pop(("expired", False)) == (401, 1004)
    assert codes.pop(("early", False)) == (401, 1003)
    assert set(codes.values()) == {(401, 1002)}


@pytest.mark.parametrize(("within_200", "status"), [(False, 429), (True, 200)])
async def test_no_money_is_a_429_or_hides_in_200(within_200: bool, status: int) -> None:
    async with calling(quota={"kling": 0}, kling_errors_in_200=within_200) as caller:
        answer = await caller.send("kling")
        assert (answer.status_code, answer.json()["code"]) == (status, 1101)
        assert caller.sim.records().tasks == ()


async def test_the_twenty_first_task_at_once_finds_no_slot() -> None:
    async with calling() as caller:
        answers = [await caller.send("kling") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json()["code"] == 1303


# Callbacks


async def test_every_change_is_posted_signed_as_the_task_itself() -> None:
    async with calling(queued_share=0.0) as caller, sink() as place:
        task_id = await caller.submit("kling", options={"callback_url": place.url, "external_task_id": "job-17"})
        await place.wait_for(1)
        caller.sim.finish(task_id)
        posts = await place.wait_for(2)
    bodies = [json.loads(post.raw) for post in posts]
    assert [(body["id"], body["status"], body["external_id"]) for body in bodies] == [
        (task_id, "processing", "job-17"),
        (task_id, "succeeded", "job-17"),
    ]
    assert all("code" not in body and "data" not in body for body in bodies)
    for post in posts:
        stamp, message_id = post.headers["webhook-timestamp"], post.headers["webhook-id"]
        assert post.headers["webhook-signature"] == signature(SECRET, message_id, stamp, post.raw)
    assert len({post.headers["webhook-id"] for post in posts}) == 2


async def test_without_a_secret_nothing_is_signed_and_the_old_generation_has_its_own_body() -> None:
    async with calling(webhook_secrets={"kling": None}) as caller, sink() as place:
        task_id = await _old(caller, callback_url=place.url, external_task_id="job-18")
        caller.sim.fail(task_id, message="no horse found")
        [post] = await place.wait_for(1)
    body = json.loads(post.raw)
    assert (body["task_id"], body["task_status"], body["task_status_msg"]) == (task_id, "failed", "no horse found")
    assert body["task_info"] == {"external_task_id": "job-18"}
    assert not [name for name in post.headers if name.startswith("webhook")]

"""fal's queue at a real socket: paths, two answers for an end, cancellations, and signed callbacks."""

import asyncio
import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from submitter.simulator.media import video_of
from submitter.simulator.platforms import fal
from tests.integration.simulator.calls import ApiClient, Sink, calling, sink

MODEL = "/alibaba/happy-horse/v1.1/text-to-video"
TASK = "/alibaba/happy-horse/requests/{}"


async def submit_to(caller: ApiClient, place: Sink, prompt: str = "a horse") -> str:
    answer = await caller.http.post(
        caller.sim.base_url("fal") + MODEL,
        params={"fal_webhook": place.url},
        json={"prompt": prompt},
        headers=caller.headers("fal"),
    )
    return str(answer.json()["request_id"])


def test_the_signature_is_that_of_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = bytes.fromhex("b51c2ff470d7e7fafff3d8379af14542c11e242d89136abdab84012bed6227e1")
    monkeypatch.setattr(fal, "USER_ID", "user-example-1")
    request_id = "00000000-0000-4000-8000-000000000001"
    raw = (
        f'{{"request_id":"{request_id}","gateway_request_id":"{request_id}","status":"OK",'
        '"payload":{"video":{"url":"https://cdn.example/v.mp4"}}}'
    ).encode()
    assert hashlib.sha256(raw).hexdigest() == "5ae20728df07ec7e78ae78f4c9b1422b48b9893d58c896198639c43086389603"
    signed = fal.signature(Ed25519PrivateKey.from_private_bytes(seed), request_id, "1790000000", raw)
    assert signed.startswith("6bf580041e2887efbc99a14e7bcaeaa665c8a565a27cd2cf6ca80f1f7ebd5396")


async def test_the_addresses_of_a_receipt_lead_to_status_and_result() -> None:
    async with calling() as caller:
        receipt = (await caller.send("fal")).json()
        waiting = await caller.http.get(receipt["status_url"], headers=caller.headers("fal"))
        early = await caller.http.get(receipt["response_url"], headers=caller.headers("fal"))
        caller.sim.finish(receipt["request_id"])
        ended = await caller.http.get(receipt["status_url"], params={"logs": "1"}, headers=caller.headers("fal"))
        address = receipt["response_url"]
        result = await caller.http.get(address, headers=caller.headers("fal"))
        again = await caller.http.get(address + "/response", headers=caller.headers("fal"))
        film = (await caller.http.get(result.json()["video"]["url"])).content
    assert again.json() == result.json()
    assert film == video_of(receipt["request_id"], 5)
    assert (waiting.status_code, waiting.json()["queue_position"]) == (202, 0)
    assert (early.status_code, early.json()["error_type"]) == (400, "bad_request")
    assert (ended.status_code, ended.json()["status"], len(ended.json()["logs"])) == (200, "COMPLETED", 1)
    assert "error" not in ended.json()
    assert result.headers["x-fal-request-id"] == receipt["request_id"]


@pytest.mark.parametrize("path", ["/fal-ai/flux/requests/{}/status", "/fal-ai/flux/requests/{}"])
async def test_a_task_is_unknown_below_another_app(path: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit("fal")
        assert (await caller.get("fal", path.format(task_id))).status_code == 404


async def test_the_sub_path_of_a_model_is_no_place_for_a_status() -> None:
    async with calling() as caller:
        task_id = await caller.submit("fal")
        assert (await caller.get("fal", f"{MODEL}/requests/{task_id}/status")).status_code == 405


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": 16},
        {"duration": "5"},
        {"resolution": "720P"},
        {"aspect_ratio": "2:1"},
        {"prompt": "x" * 2_501},
        {"seed": -1},
    ],
)
async def test_an_input_that_the_model_refuses_is_accepted_and_ends_as_completed(wrong: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.send("fal", **wrong)
        caller.skip(900)
        task_id = answer.json()["request_id"]
        status, result = await caller.query("fal", task_id), await caller.result("fal", task_id)
        assert caller.sim.records().task(task_id).state == "failed"
    assert (answer.status_code, status.json()["status"], "error" in status.json()) == (200, "COMPLETED", False)
    assert (result.status_code, result.json()["detail"][0]["type"]) == (422, "value_error")
    assert next(iter(wrong)) in result.json()["detail"][0]["msg"]


async def test_a_run_that_fails_says_so_in_both_answers() -> None:
    async with calling() as caller:
        task_id = await caller.submit("fal")
        caller.sim.fail(task_id, code="startup_timeout", message="no runner")
        status, result = await caller.query("fal", task_id), await caller.result("fal", task_id)
    assert (status.json()["error"], status.json()["error_type"]) == ("no runner", "startup_timeout")
    assert (result.status_code, result.json()) == (500, {"detail": "no runner", "error_type": "startup_timeout"})
    assert result.headers["x-fal-error-type"] == "startup_timeout"


async def test_cancellations_are_answered_by_where_the_task_is() -> None:
    async with calling() as caller:
        headers, base = caller.headers("fal"), caller.sim.base_url("fal")

        async def canceled(task_id: str) -> tuple[int, str]:
            answer = await caller.http.put(base + TASK.format(task_id) + "/cancel", headers=headers)
            return answer.status_code, answer.json()["status"]

        task_id = await caller.submit("fal")
        answers = [await canceled(task_id), await canceled(task_id), await canceled("none")]
        assert caller.sim.records().task(task_id).state == "canceled"
        status = (await caller.query("fal", task_id)).json()
    assert answers == [(200, "OK"), (400, "ALREADY_COMPLETED"), (404, "NOT_FOUND")]
    assert (status["status"], status["error_type"]) == ("COMPLETED", "client_cancelled")
    async with calling(queued_share=0.0) as caller:
        task_id = await caller.submit("fal")
        url = caller.sim.base_url("fal") + TASK.format(task_id) + "/cancel"
        running = await caller.http.put(url, headers=caller.headers("fal"))
        assert caller.sim.records().task(task_id).state == "running"
    assert (running.status_code, running.json()) == (202, {"status": "CANCELLATION_REQUESTED"})


@pytest.mark.parametrize(("outcome", "word"), [("finish", "OK"), ("fail", "ERROR")])
async def test_a_callback_is_signed_with_the_key_that_the_simulator_publishes(outcome: str, word: str) -> None:
    async with calling() as caller, sink() as place:
        task_id = await submit_to(caller, place)
        getattr(caller.sim, outcome)(task_id)
        [post] = await place.wait_for(1)
        [jwk] = (await caller.http.get(caller.sim.base_url("fal") + "/.well-known/jwks.json")).json()["keys"]
    body = json.loads(post.raw)
    assert (body["request_id"], body["status"]) == (task_id, word)
    assert ("video" in body["payload"]) == (word == "OK")
    assert body.get("error") == (None if word == "OK" else "Invalid status code: 500")
    names = ("request-id", "user-id", "timestamp")
    lines = [post.headers[f"x-fal-webhook-{name}"] for name in names]
    text = "\n".join((*lines, hashlib.sha256(post.raw).hexdigest())).encode()
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))
    key.verify(bytes.fromhex(post.headers["x-fal-webhook-signature"]), text)


async def test_an_address_in_the_body_is_input_of_the_model() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.finish(await caller.submit("fal", webhook_url=place.url, fal_webhook=place.url))
        caller.sim.finish(await submit_to(caller, place))
        assert len(await place.wait_for(1)) == 1


async def test_a_redirect_ends_the_attempts_and_an_error_does_not() -> None:
    async with calling(speed=10_000) as caller, sink(302) as moved, sink(500, 500, 204) as busy:
        ended, repeated = await submit_to(caller, moved), await submit_to(caller, busy)
        await busy.wait_for(3)
        while len(caller.sim.records().task(repeated).callbacks) < 3:
            await asyncio.sleep(0.01)
        statuses = [attempt.status for attempt in caller.sim.records().task(ended).callbacks]
    assert statuses == [302]

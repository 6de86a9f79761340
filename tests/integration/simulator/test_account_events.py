"""DashScope's events at a real socket: to one address of the account, signed by a key whose certificate is served."""

import base64
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from submitter.simulator import SimulatorConfig
from tests.integration.simulator.calls import Received, calling, sink

LISTED = (
    "x-eventbridge-signature-timestamp",
    "x-eventbridge-hash-method",
    "x-eventbridge-signature-version",
    "x-eventbridge-signature-url",
)


def _is_signed(post: Received, url: str, certificate: bytes) -> bool:
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    text = "\n".join([url, *(f"{name}: {post.headers[name]}" for name in LISTED)]).encode() + b"\n" + post.raw
    signature = base64.b64decode(post.headers["x-eventbridge-signature-v2"])
    key.verify(signature, text, PKCS1v15(), hashes.SHA256())
    return True


async def test_an_end_is_posted_to_the_address_of_the_account_with_a_signature() -> None:
    async with calling() as caller, sink() as place:
        caller.sim.call_account_back("dashscope", place.url)
        task_id = await caller.submit("dashscope")
        caller.sim.fail(task_id)
        [post] = await place.wait_for(1)
        certificate = (await caller.http.get(post.headers["x-eventbridge-signature-url"])).content
    body = json.loads(post.raw)
    assert (body["source"], body["type"]) == ("acs.dashscope", "dashscope:System:AsyncTaskFinish")
    assert (body["data"]["task_id"], body["data"]["task_status"]) == (task_id, "FAILED")
    assert body["data"]["contain_result"] is False
    assert len(body["data"]["end_time"]) == len("2023-10-25 09:45:16")
    assert len(post.headers[LISTED[0]]) == 13
    assert _is_signed(post, place.url, certificate)


async def test_an_address_of_the_configuration_is_used_and_without_one_nothing_is_posted() -> None:
    async with sink() as place:
        async with calling() as silent:
            task_id = await silent.submit("dashscope")
            silent.sim.finish(task_id)
            assert (await silent.query("dashscope", task_id)).json()["output"]["task_status"] == "SUCCEEDED"
            assert silent.sim.records().task(task_id).callbacks == ()
        async with calling(account_callback_urls={"dashscope": place.url}) as caller:
            caller.sim.finish(await caller.submit("dashscope"))
            assert len(await place.wait_for(1)) == 1
            assert place.url in (await caller.http.get(caller.sim.origin)).text
    assert place.url not in repr(SimulatorConfig(account_callback_urls={"dashscope": place.url}))


async def test_there_are_four_attempts_each_signed_anew() -> None:
    async with calling(speed=200) as caller, sink(500, 500, 500, 500) as place:
        caller.sim.call_account_back("dashscope", place.url)
        await caller.submit("dashscope")
        posts = await place.wait_for(4)
        certificate = (await caller.http.get(posts[0].headers["x-eventbridge-signature-url"])).content
    stamps = [int(post.headers[LISTED[0]]) for post in posts]
    assert stamps == sorted(set(stamps))
    assert all(_is_signed(post, place.url, certificate) for post in posts)
    assert len({post.raw for post in posts}) == 1

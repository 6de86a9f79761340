"""What is stored of a request and of the reply to its submit: all that a person needs, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.http.messages import HttpReply
from submitter.request import RawRequest, VideoRequest
from tests.support.submission_setup import API_KEY, a_request, dashscope_receipt, hiapi_receipt, submission_setup

SECRET = new_webhook_secret(bytes(32))


@pytest.mark.parametrize(
    "picture",
    [
        "data:image/png;base64," + "A" * 4000,
        " DATA:image/webp;base64," + "B" * 4000,
        "Cc0+/" * 2000,
        "D_-\n" * 2000 + "==",
    ],
)
async def test_no_picture_within_a_request_is_stored_and_every_other_text_is(tmp_path: Path, picture: str) -> None:
    prompt = "a horse, " * 1000
    images: list[Any] = [{"url": "https://a.example/1.png"}, picture]
    body: dict[str, Any] = {"model": "m", "prompt": prompt, "n": 5, "images": images}
    async with submission_setup(tmp_path / "ledger.db", dashscope_receipt()) as setup:
        task = await setup.submitted(a_request("dashscope", video=None, raw=RawRequest(body=body)))
    stored = task.request["raw"]["body"]
    assert stored["images"][1].endswith(")")
    assert len(stored["images"][1]) < 200
    assert {**stored, "images": stored["images"][:1]} == {**body, "images": images[:1]}


async def test_the_stored_request_has_prompt_pictures_and_body_and_no_secret(tmp_path: Path) -> None:
    video = VideoRequest(
        model="happyhorse-1.1/reference-to-video",
        prompt="[Image 1] runs",
        reference_images=("https://a.example/1.png",),
    )
    request = a_request(video=video, notify_url="https://hooks.example/x", notify_secret=SECRET, labels={"a": "b"})
    body = {"model": "m", "note": f"our key {API_KEY} by mistake"}
    raw = a_request("dashscope", video=None, raw=RawRequest(body=body))
    async with submission_setup(tmp_path / "ledger.db", hiapi_receipt(), dashscope_receipt()) as setup:
        first, second = await setup.submitted(request), await setup.submitted(raw)
        tokens = [json.loads(call.body)["callback"]["url"].rpartition("/")[2] for call in setup.transport.sent[:1]]
    assert first.request["video"] == {
        "model": "happyhorse-1.1/reference-to-video",
        "prompt": "[Image 1] runs",
        "reference_images": ["https://a.example/1.png"],
    }
    assert first.request["notify"] == {"url": "https://hooks.example/x"}
    assert second.request["raw"]["body"]["note"] == "our key [hidden] by mistake"
    stored = json.dumps([dict(first.request), dict(second.request)])
    assert not any(secret in stored for secret in (SECRET, API_KEY, *tokens))


async def test_a_reply_that_quotes_key_and_token_is_kept_without_them(tmp_path: Path) -> None:
    def quoting() -> Any:
        url = json.loads(setup.transport.sent[0].body)["callback"]["url"]
        return _answer(HttpReply(status=500, body=f"{url} with {API_KEY} failed\n".encode() * 30))

    async with submission_setup(tmp_path / "ledger.db", quoting, submit_tries=1) as setup:
        task = await setup.submitted(a_request())
        (line,) = [entry for entry in await setup.store.tasks.timeline(task.id) if "reason" in entry.detail]
        token = json.loads(setup.transport.sent[0].body)["callback"]["url"].rpartition("/")[2]
    assert line.detail["reply"].startswith("https://hooks.example.com/callbacks/hiapi/[hidden] with [hidden] failed\n")
    assert len(line.detail["reply"].encode()) <= 1024
    assert not any(secret in str(line) for secret in (API_KEY, token, token[:20]))


async def _answer(reply: HttpReply) -> HttpReply:
    return reply

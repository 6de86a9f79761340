"""The calls that a submit to any new-api gateway becomes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import ProviderTaskId
from submitter.providers import modelstream, newapi
from submitter.providers.contract import Account, SubmitContext
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

CONTEXT = SubmitContext(callback_url="https://us.example/c", idempotency_key="tsk_1")
ACCOUNT = recorded.account("newapi")
OTHER_ROUTE = recorded.account("newapi", options={"route": "videos"})


def test_pictures_and_parameters_stand_where_each_version_of_the_gateway_looks_for_them() -> None:
    request = VideoRequest(
        model="happyhorse-1.0-i2v", first_frame="https://a.example/1.png", resolution="720p", duration=4, seed=7
    )
    assert json.loads(newapi.build_submit(request, ACCOUNT, CONTEXT).body) == {
        "model": "happyhorse-1.0-i2v",
        "size": "720P",
        "duration": 4,
        "images": ["https://a.example/1.png"],
        "metadata": {
            "seed": 7,
            "input": {"media": [{"type": "first_frame", "url": "https://a.example/1.png"}]},
            "parameters": {"seed": 7},
        },
    }


def test_a_bare_prompt_sends_no_metadata() -> None:
    call = newapi.build_submit(VideoRequest(model="happyhorse-1.0-t2v", prompt="character1"), ACCOUNT, CONTEXT)
    assert call.body == b'{"model":"happyhorse-1.0-t2v","prompt":"character1"}'


def test_the_route_is_a_setting_for_submits_and_polls() -> None:
    request = RawRequest(body={"model": "x"})
    assert newapi.build_submit(request, ACCOUNT, CONTEXT).url == "https://gateway.example/v1/video/generations"
    assert newapi.build_submit(request, OTHER_ROUTE, CONTEXT).url == "https://gateway.example/v1/videos"
    assert newapi.build_status(ProviderTaskId("t"), ACCOUNT).url == "https://gateway.example/v1/video/generations/t"
    assert newapi.build_status(ProviderTaskId("t"), OTHER_ROUTE).url == "https://gateway.example/v1/videos/t"


def test_a_raw_body_goes_unchanged_to_the_path_it_names() -> None:
    call = newapi.build_submit(RawRequest(body={"b": 1, "a": 2}, path="/kling/v1/videos/text2video"), ACCOUNT, CONTEXT)
    assert (call.url, call.body) == ("https://gateway.example/kling/v1/videos/text2video", b'{"b":1,"a":2}')


def test_a_gateway_does_not_call_back() -> None:
    with pytest.raises(UnreadableCallback, match="newapi does not call back"):
        newapi.parse_callback(Callback(body=b"{}"), ACCOUNT, 0)


FULL = {
    "happyhorse-1.0-t2v": VideoRequest(
        model="happyhorse-1.0-t2v", prompt="a fox", resolution="720P", ratio="9:16", duration=6, seed=7, watermark=False
    ),
    "happyhorse-1.0-i2v": VideoRequest(
        model="happyhorse-1.0-i2v", first_frame="https://a.example/1.png", seed=0, watermark=True
    ),
    "happyhorse-1.0-r2v": VideoRequest(
        model="happyhorse-1.0-r2v",
        prompt="[Image 1] waves at [Image 2]",
        reference_images=("https://a.example/1.png", "https://a.example/2.png"),
        ratio="9:16",
        seed=7,
        watermark=False,
    ),
}


def _nested(body: dict[str, Any]) -> dict[str, Any]:
    """As versions read it that merge `metadata` into the upstream's request."""
    metadata = body.get("metadata") or {}
    media = (metadata.get("input") or {}).get("media") or [{"url": url} for url in body.get("images", [])]
    flat = {name: metadata[name] for name in ("ratio", "watermark", "seed") if name in metadata}
    return {"pictures": [item["url"] for item in media], **flat, **(metadata.get("parameters") or {})}


def _flat(body: dict[str, Any]) -> dict[str, Any]:
    """As versions read it whose builder knows `images` and flat `metadata` alone."""
    metadata = body.get("metadata") or {}
    flat = {name: metadata[name] for name in ("ratio", "watermark", "seed") if name in metadata}
    return {"pictures": body.get("images", []), **flat}


@pytest.mark.parametrize("model", FULL)
@pytest.mark.parametrize("read", [_nested, _flat])
@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ROUTE])
def test_each_version_of_the_gateway_reads_what_was_asked_for(
    model: str, read: Callable[[dict[str, Any]], dict[str, Any]], account: Account
) -> None:
    request = FULL[model]
    wanted: dict[str, Any] = {"ratio": request.ratio, "watermark": request.watermark, "seed": request.seed}
    pictures = [request.first_frame] if request.first_frame else list(request.reference_images)
    read_back = read(json.loads(newapi.build_submit(request, account, CONTEXT).body))
    assert read_back == {"pictures": pictures} | {name: value for name, value in wanted.items() if value is not None}


def test_modelstream_gets_the_form_of_its_page_alone() -> None:
    request = FULL["happyhorse-1.0-r2v"]
    body = json.loads(modelstream.build_submit(request, recorded.account("modelstream"), CONTEXT).body)
    assert "images" not in body
    assert sorted(body["metadata"]) == ["input", "parameters"]
    assert body["metadata"]["parameters"] == {"ratio": "9:16", "watermark": False, "seed": 7}

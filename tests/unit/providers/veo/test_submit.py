"""The calls that a submit to Veo becomes, what is refused before, and who gets the key of a download."""

import json
from typing import Any

import pytest

from submitter.model import Output, ProviderTaskId
from submitter.providers import veo
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("veo")
CONTEXT = SubmitContext(callback_url=None, idempotency_key="tsk_1")
MODEL, LITE = "veo-3.1-generate-preview", "veo-3.1-lite-generate-preview"
PNG, JPEG = "data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/4AAQ"
BASE = "https://generativelanguage.googleapis.com/v1beta"


def _body(**fields: Any) -> dict[str, Any]:
    call = veo.build_submit(VideoRequest(model=MODEL, prompt="a horse", **fields), ACCOUNT, CONTEXT)
    body: dict[str, Any] = json.loads(call.body)
    return body


def _refused(model: str = MODEL, **fields: Any) -> list[str]:
    request = VideoRequest(**{"model": model, "prompt": "a horse", **fields})
    return [each.field for each in validate_video(request, veo.CAPABILITIES)]


def test_a_submit_has_the_model_in_its_path_and_the_key_in_its_own_header() -> None:
    request = VideoRequest(
        model=MODEL, prompt="a hörse", ratio="9:16", resolution="4K", duration=8, negative_prompt="rain"
    )
    call = veo.build_submit(request, ACCOUNT, CONTEXT)
    assert (call.method, call.url) == ("POST", f"{BASE}/models/{MODEL}:predictLongRunning")
    assert call.headers == (
        ("x-goog-api-key", "key-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    )
    assert call.body.decode() == (
        '{"instances":[{"prompt":"a hörse"}],"parameters":{"aspectRatio":"9:16","resolution":"4k",'
        '"durationSeconds":8,"negativePrompt":"rain"}}'
    )


def test_pictures_are_sent_as_base64_beside_the_prompt() -> None:
    png = {"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png"}
    jpeg = {"bytesBase64Encoded": "/9j/4AAQ", "mimeType": "image/jpeg"}
    assert _body(first_frame=PNG, last_frame=JPEG)["instances"] == [
        {"prompt": "a horse", "image": png, "lastFrame": jpeg}
    ]
    assert _body(reference_images=(PNG, JPEG)) == {
        "instances": [
            {
                "prompt": "a horse",
                "referenceImages": [
                    {"image": png, "referenceType": "asset"},
                    {"image": jpeg, "referenceType": "asset"},
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"first_frame": PNG, "last_frame": JPEG}, []),
        ({"first_frame": "https://a.example/1.png"}, ["video.first_frame"]),
        ({"last_frame": PNG}, ["video.last_frame"]),
        ({"first_frame": PNG, "reference_images": (PNG,)}, ["video.reference_images"]),
        ({"reference_images": (PNG,) * 4}, ["video.reference_images"]),
        ({"duration": 5}, ["video.duration"]),
        ({"ratio": "1:1"}, ["video.ratio"]),
        ({"seed": 1}, ["video.seed"]),
        ({"audio": False}, ["video.audio"]),
        ({"prompt": None}, ["video.prompt"]),
        ({"model": LITE, "resolution": "4k"}, ["video.resolution"]),
        ({"model": LITE, "reference_images": (PNG,)}, ["video.reference_images"]),
    ],
)
def test_what_the_api_does_not_take_is_refused_before_money(fields: dict[str, Any], refused: list[str]) -> None:
    assert _refused(**fields) == refused


def test_a_raw_body_goes_unchanged_to_the_model_of_its_path() -> None:
    raw = RawRequest(body={"b": 1, "instances": [{}]}, path="/models/veo-9")
    call = veo.build_submit(raw, ACCOUNT, CONTEXT)
    assert (call.url, call.body) == (f"{BASE}/models/veo-9:predictLongRunning", b'{"b":1,"instances":[{}]}')
    assert validate_video(raw, veo.CAPABILITIES) == ()


@pytest.mark.parametrize("path", [None, "/files/x", "/models", "/models/a/operations/b", "/models/..", "/webhooks"])
def test_a_raw_path_must_name_a_model(path: str | None) -> None:
    violations = validate_video(RawRequest(body={}, path=path), veo.CAPABILITIES)
    assert [each.field for each in violations] == ["raw.path"]


@pytest.mark.parametrize(
    ("task_id", "path"),
    [
        (f"models/{MODEL}/operations/op-1", f"models/{MODEL}/operations/op-1"),
        ("op-1", "op-1"),
        ("models/../operations/x", "models%2F..%2Foperations%2Fx"),
        ("models/a/operations/b?x=1", "models%2Fa%2Foperations%2Fb%3Fx%3D1"),
        ("files/f1", "files%2Ff1"),
    ],
)
def test_the_name_of_an_operation_is_a_path_and_any_other_id_is_one_segment(task_id: str, path: str) -> None:
    assert veo.build_status(ProviderTaskId(task_id), ACCOUNT).url == f"{BASE}/{path}"


@pytest.mark.parametrize(
    ("url", "has_key"),
    [
        (f"{BASE}/files/f1:download?alt=media", True),
        ("https://generativelanguage.googleapis.com:443/x", True),
        ("https://generativelanguage.googleapis.com.evil.example/v1beta/files/f1", False),
        ("http://generativelanguage.googleapis.com/v1beta/files/f1", False),
        ("https://storage.googleapis.com/v.mp4", False),
    ],
)
def test_only_the_origin_of_the_base_url_gets_the_key(url: str, has_key: bool) -> None:
    call = veo.build_download(Output(url=url), ACCOUNT)
    assert (call.method, call.url) == ("GET", url)
    assert call.headers == ((("x-goog-api-key", "key-1"),) if has_key else ())

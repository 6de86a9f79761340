"""The calls that a submit to fal becomes, and the paths of the calls about its task."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from submitter.errors import InvalidRequest
from submitter.model import ProviderTaskId
from submitter.providers import fal
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("fal")
CALLBACK = "https://us.example/callbacks/fal/token?x=1&y=2"
CONTEXT = SubmitContext(callback_url=CALLBACK, idempotency_key="tsk_1")
HORSE = "alibaba/happy-horse/v1.1"
PICTURE = "https://a.example/1.png"
TEXT = VideoRequest(model=f"{HORSE}/text-to-video", prompt="a hörse", resolution="720P", ratio="16:9", duration=3)
ID = ProviderTaskId("00000000-0000-4000-8000-00000000f001")


def test_a_submit_names_the_model_in_its_path_and_the_callback_in_its_query() -> None:
    call = fal.build_submit(TEXT, ACCOUNT, CONTEXT)
    where = urlsplit(call.url)
    assert (call.method, where.netloc, where.path) == ("POST", "queue.fal.run", f"/{HORSE}/text-to-video")
    assert parse_qs(where.query) == {"fal_webhook": [CALLBACK]}
    assert call.headers == (
        ("authorization", "Key key-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    )
    assert call.body.decode() == '{"prompt":"a hörse","resolution":"720p","aspect_ratio":"16:9","duration":3}'


def test_equal_submits_are_equal_bytes() -> None:
    assert fal.build_submit(TEXT, ACCOUNT, CONTEXT) == fal.build_submit(TEXT.model_copy(), ACCOUNT, CONTEXT)


def test_without_a_callback_url_there_is_no_query() -> None:
    call = fal.build_submit(TEXT, ACCOUNT, SubmitContext(callback_url=None, idempotency_key="tsk_1"))
    assert call.url == f"https://queue.fal.run/{HORSE}/text-to-video"


def test_a_raw_body_passes_unchanged_to_the_path_of_its_model() -> None:
    body = {"zeta": 1, "prompt": "x", "duration": "8s", "webhook_url": "mine"}
    call = fal.build_submit(RawRequest(body=body, path="/fal-ai/veo3.1/image-to-video"), ACCOUNT, CONTEXT)
    assert urlsplit(call.url).path == "/fal-ai/veo3.1/image-to-video"
    assert list(json.loads(call.body).items()) == list(body.items())


def test_a_raw_body_without_a_path_has_no_model() -> None:
    with pytest.raises(InvalidRequest, match=r"raw\.path"):
        fal.build_submit(RawRequest(body={"prompt": "x"}), ACCOUNT, CONTEXT)


@pytest.mark.parametrize("path", ["/fal-ai", "/fal-ai/flux/requests/r-1", "/fal-ai/flux/requests"])
def test_a_path_that_is_no_models_is_refused_before_anything_is_sent(path: str) -> None:
    [violation] = validate_video(RawRequest(body={}, path=path), fal.CAPABILITIES)
    assert violation.field == "raw.path"


@pytest.mark.parametrize("path", ["/fal-ai/flux", "/fal-ai/veo3.1/fast/image-to-video", "/workflows/me/mine"])
def test_a_path_of_a_model_is_taken(path: str) -> None:
    assert validate_video(RawRequest(body={}, path=path), fal.CAPABILITIES) == ()


def test_pictures_go_where_each_model_has_them() -> None:
    first = VideoRequest(model=f"{HORSE}/image-to-video", first_frame=PICTURE, duration=15)
    named = VideoRequest(model=f"{HORSE}/reference-to-video", prompt="[Image 1] waves", reference_images=(PICTURE,))
    bodies = [json.loads(fal.build_submit(each, ACCOUNT, CONTEXT).body) for each in (first, named)]
    assert bodies == [
        {"image_url": PICTURE, "duration": 15},
        {"prompt": "character1 waves", "image_urls": [PICTURE]},
    ]
    assert [validate_video(each, fal.CAPABILITIES) for each in (first, named)] == [(), ()]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": "x" * 2501}, "video.prompt"),
        ({"prompt": None}, "video.prompt"),
        ({"duration": 2}, "video.duration"),
        ({"duration": 16}, "video.duration"),
        ({"resolution": "4K"}, "video.resolution"),
        ({"ratio": "2:1"}, "video.ratio"),
        ({"seed": -1}, "video.seed"),
        ({"first_frame": PICTURE}, "video.first_frame"),
        ({"audio": True}, "video.audio"),
        ({"watermark": True}, "video.watermark"),
        ({"negative_prompt": "x"}, "video.negative_prompt"),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_anything_is_sent(changes: dict[str, Any], field: str) -> None:
    [violation] = validate_video(TEXT.model_copy(update=changes), fal.CAPABILITIES)
    assert violation.field == field


@pytest.mark.parametrize(
    ("request_copy", "app"),
    [
        ({"video": {"model": f"{HORSE}/text-to-video"}}, "alibaba/happy-horse"),
        ({"raw": {"path": "/fal-ai/kling-video/v3/pro/image-to-video"}}, "fal-ai/kling-video"),
        ({"raw": {"path": "/fal-ai/flux"}}, "fal-ai/flux"),
        ({"raw": {"path": "/workflows/me/mine/more"}}, "workflows/me/mine"),
        ({}, "alibaba/happy-horse"),
        ({"raw": {"path": 7}, "video": None}, "alibaba/happy-horse"),
    ],
)
def test_calls_about_a_task_go_below_owner_and_app_of_its_model(request_copy: dict[str, Any], app: str) -> None:
    addressed = fal.address(ID, request_copy)
    assert addressed == f"{app}/requests/{ID}"
    assert fal.address(addressed, {}) == addressed
    status, cancel = fal.build_status(addressed, ACCOUNT), fal.build_cancel(addressed, ACCOUNT)
    assert (status.method, status.url) == ("GET", f"https://queue.fal.run/{app}/requests/{ID}/status")
    assert (cancel.method, cancel.url) == ("PUT", f"https://queue.fal.run/{app}/requests/{ID}/cancel")
    assert status.headers == cancel.headers == (("authorization", "Key key-1"), ("accept", "application/json"))


@pytest.mark.parametrize("hostile", ["../keys?x=1#y", "a/b", "x/y/requests/../../z", "é/ü/requests/1"])
def test_an_id_cannot_leave_its_place_in_the_address(hostile: str) -> None:
    url = fal.build_status(fal.address(ProviderTaskId(hostile), {}), ACCOUNT).url
    assert url.startswith("https://queue.fal.run/alibaba/happy-horse/requests/")
    assert url.count("/") == 7
    assert "?" not in url


def test_the_key_stays_out_of_the_repr_of_the_call() -> None:
    assert "key-1" not in repr(fal.build_submit(TEXT, ACCOUNT, CONTEXT)) + repr(ACCOUNT)

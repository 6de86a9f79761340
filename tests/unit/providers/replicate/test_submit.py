"""The calls that a submit to Replicate becomes."""

import json
from typing import Any

import pytest

from submitter.model import ProviderTaskId
from submitter.providers import replicate
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("replicate")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/replicate/token", idempotency_key="tsk_1")
PICTURE, END = "https://a.example/1.png", "https://a.example/2.png"
KLING = VideoRequest(
    model="kwaivgi/kling-v3-video", prompt="a hörse", resolution="720P", ratio="16:9", duration=3, audio=False
)


def test_a_submit_goes_to_its_model_and_wants_the_end_alone() -> None:
    call = replicate.build_submit(KLING, ACCOUNT, CONTEXT)
    assert call.method == "POST"
    assert call.url == "https://api.replicate.com/v1/models/kwaivgi/kling-v3-video/predictions"
    assert call.headers == (
        ("authorization", "Bearer key-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    )
    assert call.body.decode() == (
        '{"input":{"prompt":"a hörse","mode":"standard","aspect_ratio":"16:9","duration":3,"generate_audio":false},'
        '"webhook":"https://us.example/callbacks/replicate/token","webhook_events_filter":["completed"]}'
    )


def test_equal_submits_are_equal_bytes() -> None:
    assert replicate.build_submit(KLING, ACCOUNT, CONTEXT) == replicate.build_submit(
        KLING.model_copy(), ACCOUNT, CONTEXT
    )


def test_without_a_callback_url_no_callback_is_requested() -> None:
    call = replicate.build_submit(KLING, ACCOUNT, SubmitContext(callback_url=None, idempotency_key="tsk_1"))
    assert list(json.loads(call.body)) == ["input"]


@pytest.mark.parametrize(
    "path", [None, "/predictions", "/models/me/mine/predictions", "/deployments/me/it/predictions"]
)
def test_a_raw_body_passes_unchanged_but_for_the_callback(path: str | None) -> None:
    body = {"version": "me/mine:0123", "input": {"b": [None, True], "a": 1.5}}
    request = RawRequest(body=body, path=path)
    assert validate_video(request, replicate.CAPABILITIES) == ()
    call = replicate.build_submit(request, ACCOUNT, CONTEXT)
    sent = json.loads(call.body)
    assert (sent.pop("webhook"), sent.pop("webhook_events_filter")) == (CONTEXT.callback_url, ["completed"])
    assert list(sent.items()) == list(body.items())
    assert call.url == f"https://api.replicate.com/v1{path or '/predictions'}"


@pytest.mark.parametrize("path", ["/predictions/p1/cancel", "/models/me/predictions", "/trainings"])
def test_a_path_that_creates_no_prediction_is_refused(path: str) -> None:
    [violation] = validate_video(RawRequest(body={}, path=path), replicate.CAPABILITIES)
    assert violation.field == "raw.path"


@pytest.mark.parametrize("member", ["webhook", "webhook_events_filter"])
def test_a_raw_body_leaves_the_callback_to_us(member: str) -> None:
    [violation] = validate_video(RawRequest(body={member: []}), replicate.CAPABILITIES)
    assert violation.field == f"raw.body.{member}"


def test_pictures_negative_prompt_and_sound_go_where_each_model_has_them() -> None:
    requests = [
        KLING.model_copy(
            update={
                "ratio": None,
                "first_frame": PICTURE,
                "last_frame": END,
                "negative_prompt": "rain",
                "resolution": "1080p",
                "audio": True,
            }
        ),
        VideoRequest(model="minimax/video-01", prompt="x", first_frame=PICTURE),
        VideoRequest(model="minimax/video-01", prompt="x", reference_images=(PICTURE,)),
    ]
    assert [validate_video(each, replicate.CAPABILITIES) for each in requests] == [()] * 3
    inputs = [json.loads(replicate.build_submit(each, ACCOUNT, CONTEXT).body)["input"] for each in requests]
    assert inputs == [
        {
            "prompt": "a hörse",
            "negative_prompt": "rain",
            "start_image": PICTURE,
            "end_image": END,
            "mode": "pro",
            "duration": 3,
            "generate_audio": True,
        },
        {"prompt": "x", "first_frame_image": PICTURE},
        {"prompt": "x", "subject_reference": PICTURE},
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"duration": 16}, "video.duration"),
        ({"ratio": "21:9"}, "video.ratio"),
        ({"first_frame": PICTURE}, "video.ratio"),
        ({"ratio": None, "last_frame": END}, "video.last_frame"),
        ({"resolution": "4K"}, "video.resolution"),
        ({"seed": 7}, "video.seed"),
        ({"reference_images": (PICTURE,)}, "video.reference_images"),
        ({"first_frame": "http://a.example/1.png", "ratio": None}, "video.first_frame"),
        ({"prompt": "x" * 2501}, "video.prompt"),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_anything_is_sent(changes: dict[str, Any], field: str) -> None:
    [violation] = validate_video(KLING.model_copy(update=changes), replicate.CAPABILITIES)
    assert violation.field == field


def test_the_list_is_of_a_span_and_cancellations_are_posts() -> None:
    listing = replicate.build_list(ACCOUNT, since_ms=1_790_000_000_000, until_ms=1_790_000_060_000, page=1)
    assert listing.url == (
        "https://api.replicate.com/v1/predictions"
        "?created_after=2026-09-21T14%3A13%3A20.000Z&created_before=2026-09-21T14%3A14%3A20.000Z"
    )
    cancel = replicate.build_cancel(ProviderTaskId("a/b"), ACCOUNT)
    assert (cancel.method, cancel.url) == ("POST", "https://api.replicate.com/v1/predictions/a%2Fb/cancel")

"""The calls that a submit to MiniMax's version 1 becomes, and what is refused before one is sent."""

import json
from typing import Any

import pytest

from submitter.providers import minimax_v1
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("minimax-v1")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/minimax-v1/token", idempotency_key="tsk_1")
FIRST, LAST = "https://a.example/first.png", "https://a.example/last.png"
BASE: dict[str, Any] = {"model": "MiniMax-Hailuo-02", "prompt": "a horse"}


def test_a_submit_names_the_callback_and_maps_every_field() -> None:
    request = VideoRequest(
        model="MiniMax-Hailuo-02",
        prompt="[Pan left] a hörse",
        first_frame=FIRST,
        last_frame=LAST,
        duration=6,
        resolution="768p",
    )
    call = minimax_v1.build_submit(request, ACCOUNT, CONTEXT)
    assert (call.method, call.url) == ("POST", "https://api.minimax.io/v1/video_generation")
    assert call.body.decode() == (
        '{"model":"MiniMax-Hailuo-02","prompt":"[Pan left] a hörse",'
        '"first_frame_image":"https://a.example/first.png","last_frame_image":"https://a.example/last.png",'
        '"duration":6,"resolution":"768P","callback_url":"https://us.example/callbacks/minimax-v1/token"}'
    )


def test_a_reference_image_is_the_subject() -> None:
    request = VideoRequest(model="S2V-01", prompt="she waves", reference_images=(FIRST,))
    sent = json.loads(minimax_v1.build_submit(request, ACCOUNT, CONTEXT).body)
    assert sent["subject_reference"] == [{"type": "character", "image": [FIRST]}]


def test_a_raw_body_passes_unchanged_but_for_the_callback() -> None:
    body = {"model": "I2V-01", "prompt": "x", "prompt_optimizer": False}
    sent = json.loads(minimax_v1.build_submit(RawRequest(body=body), ACCOUNT, CONTEXT).body)
    assert sent.pop("callback_url") == CONTEXT.callback_url
    assert list(sent.items()) == list(body.items())


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, []),
        ({"first_frame": FIRST, "last_frame": LAST, "duration": 10, "resolution": "768P"}, []),
        ({"last_frame": LAST}, ["video.last_frame"]),
        ({"duration": 7}, ["video.duration"]),
        ({"resolution": "720P"}, ["video.resolution"]),
        ({"ratio": "16:9", "seed": 1}, ["video.ratio", "video.seed"]),
        ({"prompt": "x" * 2001}, ["video.prompt"]),
        ({"model": "MiniMax-Hailuo-2.3", "first_frame": FIRST, "last_frame": LAST}, ["video.last_frame"]),
        ({"model": "MiniMax-Hailuo-2.3-Fast"}, ["video.first_frame"]),
        ({"model": "MiniMax-Hailuo-2.3-Fast", "first_frame": FIRST, "prompt": None}, []),
        ({"model": "T2V-01", "resolution": "720P", "duration": 6}, []),
        ({"model": "S2V-01"}, ["video.reference_images"]),
        ({"model": "S2V-01", "reference_images": (FIRST,), "duration": 6}, ["video.duration"]),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_money(fields: dict[str, Any], problems: list[str]) -> None:
    request = VideoRequest(**BASE | fields)
    assert [each.field for each in validate_video(request, minimax_v1.CAPABILITIES)] == problems

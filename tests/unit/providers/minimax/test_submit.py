"""The calls that a submit to MiniMax's version 2 becomes, and what is refused before one is sent."""

import json
from typing import Any

import pytest

from submitter.providers import minimax
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("minimax")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/minimax/token", idempotency_key="tsk_1")
FIRST, LAST = "https://a.example/first.png", "https://a.example/last.png"
FILM: dict[str, Any] = {"model": "MiniMax-H3", "resolution": "2K", "duration": 4}


def _sent(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(minimax.build_submit(VideoRequest(**FILM | fields), ACCOUNT, CONTEXT).body)
    return body


def test_a_submit_names_the_callback_and_maps_every_field() -> None:
    request = VideoRequest(model="MiniMax-H3", prompt="a hörse", resolution="2k", ratio="16:9", duration=4)
    call = minimax.build_submit(request, ACCOUNT, CONTEXT)
    assert (call.method, call.url) == ("POST", "https://api.minimax.io/v2/video_generation")
    assert call.body.decode() == (
        '{"model":"MiniMax-H3","content":[{"type":"text","text":"a hörse"}],"resolution":"2K","ratio":"16:9",'
        '"duration":4,"callback_url":"https://us.example/callbacks/minimax/token"}'
    )


def test_pictures_have_their_roles_and_order() -> None:
    [_, first, last] = _sent(prompt="x", first_frame=FIRST, last_frame=LAST)["content"]
    assert first == {"type": "image_url", "image_url": {"url": FIRST}, "role": "first_frame"}
    assert last == {"type": "image_url", "image_url": {"url": LAST}, "role": "last_frame"}
    content = _sent(prompt="character2 greets character1", reference_images=(FIRST, LAST))["content"]
    assert content[0]["text"] == "[Image 2] greets [Image 1]"
    assert [(each["image_url"]["url"], each["role"]) for each in content[1:]] == [
        (FIRST, "reference_image"),
        (LAST, "reference_image"),
    ]


def test_a_raw_body_passes_unchanged_but_for_the_callback() -> None:
    body = {"model": "MiniMax-H4", "content": [{"type": "text", "text": "x"}], "anything": [None, True]}
    sent = json.loads(minimax.build_submit(RawRequest(body=body), ACCOUNT, CONTEXT).body)
    assert sent.pop("callback_url") == CONTEXT.callback_url
    assert list(sent.items()) == list(body.items())


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"ratio": "16:9"}, []),
        ({"first_frame": FIRST, "last_frame": LAST}, []),
        ({"reference_images": (FIRST,) * 9, "ratio": "adaptive"}, []),
        ({}, ["video.ratio"]),
        ({"prompt": None, "first_frame": FIRST}, ["video.prompt"]),
        ({"prompt": "x" * 7001, "ratio": "16:9"}, ["video.prompt"]),
        ({"first_frame": FIRST, "ratio": "16:9"}, ["video.ratio"]),
        ({"first_frame": FIRST, "reference_images": (LAST,)}, ["video.reference_images"]),
        ({"last_frame": LAST, "ratio": "16:9"}, ["video.last_frame"]),
        ({"ratio": "16:9", "resolution": None, "duration": None}, ["video.resolution", "video.duration"]),
        ({"ratio": "16:9", "seed": 7, "audio": True}, ["video.audio", "video.seed"]),
        ({"ratio": "16:9", "model": "MiniMax-H3-Max"}, ["video.resolution", "video.duration"]),
        ({"ratio": "16:9", "model": "MiniMax-H3-Max", "resolution": None, "duration": 5}, []),
        (
            {
                "ratio": "16:9",
                "model": "MiniMax-H3-Max",
                "resolution": "480P",
                "duration": 5,
                "reference_images": ("x",),
            },
            ["video.reference_images"],
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_money(fields: dict[str, Any], problems: list[str]) -> None:
    request = VideoRequest(**{"prompt": "a horse"} | FILM | fields)
    assert [each.field for each in validate_video(request, minimax.CAPABILITIES)] == problems

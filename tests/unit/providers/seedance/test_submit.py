"""The calls that a submit to Seedance becomes, and what is refused before one is sent."""

import json
from typing import Any

import pytest

from submitter.providers import seedance
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("seedance")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/seedance/token", idempotency_key="tsk_1")
MODEL = "dreamina-seedance-2-0-260128"
FIRST, LAST = "https://a.example/first.png", "https://a.example/last.png"


def _sent(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(seedance.build_submit(VideoRequest(model=MODEL, **fields), ACCOUNT, CONTEXT).body)
    return body


def _problems(**fields: Any) -> list[str]:
    request = VideoRequest(**{"model": MODEL, "prompt": "a horse"} | fields)
    return [each.field for each in validate_video(request, seedance.CAPABILITIES)]


def test_a_submit_names_the_callback_and_maps_every_field() -> None:
    request = VideoRequest(
        model=MODEL, prompt="a hörse", resolution="720P", ratio="adaptive", duration=4, audio=False, watermark=True
    )
    call = seedance.build_submit(request, ACCOUNT, CONTEXT)
    assert call.method == "POST"
    assert call.url == "https://ark.ap-southeast.bytepluses.com/api/v3/contents/generations/tasks"
    assert call.headers == (
        ("authorization", "Bearer key-1"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    )
    assert call.body.decode() == (
        '{"model":"dreamina-seedance-2-0-260128","content":[{"type":"text","text":"a hörse"}],'
        '"resolution":"720p","ratio":"adaptive","duration":4,"generate_audio":false,"watermark":true,'
        '"callback_url":"https://us.example/callbacks/seedance/token"}'
    )


def test_frames_have_their_roles() -> None:
    [_, first, last] = _sent(prompt="x", first_frame=FIRST, last_frame=LAST)["content"]
    assert first == {"type": "image_url", "image_url": {"url": FIRST}, "role": "first_frame"}
    assert last == {"type": "image_url", "image_url": {"url": LAST}, "role": "last_frame"}


def test_references_keep_their_order_and_the_prompt_names_them_in_brackets() -> None:
    content = _sent(prompt="character2 greets character1", reference_images=(FIRST, LAST))["content"]
    assert content[0] == {"type": "text", "text": "[Image 2] greets [Image 1]"}
    assert [(each["image_url"]["url"], each["role"]) for each in content[1:]] == [
        (FIRST, "reference_image"),
        (LAST, "reference_image"),
    ]


def test_a_raw_body_passes_unchanged_but_for_the_callback() -> None:
    body = {"model": "ep-2026", "content": [{"type": "text", "text": "x --ratio 16:9"}], "duration": -1}
    sent = json.loads(seedance.build_submit(RawRequest(body=body), ACCOUNT, CONTEXT).body)
    assert sent.pop("callback_url") == CONTEXT.callback_url
    assert list(sent.items()) == list(body.items())


def test_without_a_callback_url_none_is_named() -> None:
    call = seedance.build_submit(
        RawRequest(body={}), ACCOUNT, SubmitContext(callback_url=None, idempotency_key="tsk_1")
    )
    assert call.body == b"{}"


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, []),
        ({"first_frame": FIRST}, []),
        ({"first_frame": "asset://asset-1"}, []),
        ({"first_frame": FIRST, "last_frame": LAST, "ratio": "16:9"}, []),
        ({"reference_images": (FIRST,) * 9, "audio": True}, []),
        ({"resolution": "4K", "duration": 15}, []),
        ({"last_frame": LAST}, ["video.last_frame"]),
        ({"first_frame": FIRST, "reference_images": (LAST,)}, ["video.reference_images"]),
        ({"reference_images": (FIRST,) * 10}, ["video.reference_images"]),
        ({"seed": 7}, ["video.seed"]),
        ({"duration": -1}, ["video.duration"]),
        ({"duration": 16}, ["video.duration"]),
        ({"negative_prompt": "rain"}, ["video.negative_prompt"]),
        ({"ratio": "9:21"}, ["video.ratio"]),
        ({"model": "dreamina-seedance-2-0-fast-260128", "resolution": "1080p"}, ["video.resolution"]),
        ({"model": "dreamina-seedance-2-5-260628", "duration": 30}, []),
        ({"model": "dreamina-seedance-2-5-260628", "duration": 31}, ["video.duration"]),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_money(fields: dict[str, Any], problems: list[str]) -> None:
    assert _problems(**fields) == problems

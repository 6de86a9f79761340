"""The calls that a submit to Runway becomes, and what is refused before."""

import json
from typing import Any

import pytest

from submitter.model import ProviderTaskId
from submitter.providers import runway
from submitter.providers.contract import SubmitContext
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("runway")
CONTEXT = SubmitContext(callback_url=None, idempotency_key="tsk_1")
FIRST, LAST = "https://a.example/1.png", "https://a.example/2.png"


def _body(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(runway.build_submit(VideoRequest(**fields), ACCOUNT, CONTEXT).body)
    return body


def _refused(**fields: Any) -> list[str]:
    return [each.field for each in validate_video(VideoRequest(**fields), runway.CAPABILITIES)]


def test_a_submit_carries_key_and_version() -> None:
    request = VideoRequest(model="gen4.5", prompt="a hörse", ratio="1280:720", duration=5, seed=7)
    call = runway.build_submit(request, ACCOUNT, CONTEXT)
    assert (call.method, call.url) == ("POST", "https://api.dev.runwayml.com/v1/text_to_video")
    assert call.headers == (
        ("authorization", "Bearer key-1"),
        ("accept", "application/json"),
        ("x-runway-version", "2024-11-06"),
        ("content-type", "application/json"),
    )
    assert call.body.decode() == ('{"model":"gen4.5","promptText":"a hörse","ratio":"1280:720","duration":5,"seed":7}')


def test_every_other_call_carries_the_version_too() -> None:
    calls = [build(recorded_id, ACCOUNT) for build in (runway.build_status, runway.build_cancel)]
    assert [(call.method, call.url) for call in calls] == [
        (method, f"https://api.dev.runwayml.com/v1/tasks/{recorded_id}") for method in ("GET", "DELETE")
    ]
    assert all(("x-runway-version", "2024-11-06") in call.headers for call in calls)


recorded_id = ProviderTaskId("00000000-0000-4000-8000-000000000015")


def test_pictures_have_their_positions_and_choose_the_path() -> None:
    request = VideoRequest(
        model="veo3.1", first_frame=FIRST, last_frame=LAST, ratio="1280:720", audio=False, negative_prompt="rain"
    )
    call = runway.build_submit(request, ACCOUNT, CONTEXT)
    assert call.url.endswith("/v1/image_to_video")
    assert json.loads(call.body) == {
        "model": "veo3.1",
        "promptImage": [{"uri": FIRST, "position": "first"}, {"uri": LAST, "position": "last"}],
        "ratio": "1280:720",
        "negativePrompt": "rain",
        "audio": False,
    }


def test_a_raw_body_goes_unchanged_to_its_path() -> None:
    raw = RawRequest(body={"b": 1, "model": "gen4_aleph"}, path="/v1/video_to_video")
    call = runway.build_submit(raw, ACCOUNT, CONTEXT)
    assert (call.url, call.body) == ("https://api.dev.runwayml.com/v1/video_to_video", b'{"b":1,"model":"gen4_aleph"}')
    assert validate_video(raw, runway.CAPABILITIES) == ()


@pytest.mark.parametrize("path", [None, "/v1/tasks", "/v1/tasks/t-1", "/v1/organization", "/v1/uploads", "/v2/x", "/x"])
def test_a_raw_path_must_create_a_task(path: str | None) -> None:
    violations = validate_video(RawRequest(body={}, path=path), runway.CAPABILITIES)
    assert [each.field for each in violations] == ["raw.path"]


def test_what_a_model_requires_is_missed_before_money() -> None:
    assert _refused(model="gen4.5", prompt="x") == ["video.ratio", "video.duration"]
    assert _refused(model="gen4_turbo", prompt="x", ratio="1280:720") == ["video.first_frame"]
    assert _refused(model="veo3.1", ratio="1280:720") == ["video.prompt"]
    assert _refused(model="veo3.1", first_frame=FIRST, ratio="1280:720") == []


@pytest.mark.parametrize(
    ("model", "fields", "refused"),
    [
        ("gen4.5", {"ratio": "960:960", "duration": 5}, ["video.ratio"]),
        ("gen4.5", {"ratio": "960:960", "duration": 5, "first_frame": FIRST}, []),
        ("gen4.5", {"ratio": "16:9", "duration": 5}, ["video.ratio"]),
        ("gen4.5", {"ratio": "1280:720", "duration": 11}, ["video.duration"]),
        ("gen4.5", {"ratio": "1280:720", "duration": 5, "audio": True}, ["video.audio"]),
        (
            "gen4.5",
            {"ratio": "1280:720", "duration": 5, "first_frame": FIRST, "last_frame": LAST},
            ["video.last_frame"],
        ),
        ("gen4_turbo", {"ratio": "1280:720", "duration": 7, "first_frame": FIRST}, ["video.duration"]),
        ("veo3.1", {"ratio": "1280:720", "duration": 5}, ["video.duration"]),
        ("veo3.1", {"ratio": "1280:720", "last_frame": LAST}, ["video.last_frame"]),
        ("happyhorse_1_0", {"ratio": "960:960", "duration": 3}, []),
        ("happyhorse_1_0", {"resolution": "720p"}, ["video.resolution"]),
        ("happyhorse_1_0", {"resolution": "720P", "first_frame": FIRST}, []),
        ("happyhorse_1_0", {"ratio": "960:960", "first_frame": FIRST}, ["video.ratio"]),
        ("happyhorse_1_0", {"seed": 1}, ["video.seed"]),
        ("seedance2", {"ratio": "3840:2160", "audio": True}, []),
        ("seedance2_fast", {"ratio": "3840:2160"}, ["video.ratio"]),
        ("seedance2", {"reference_images": (FIRST,)}, ["video.reference_images"]),
        ("veo3.1", {"ratio": "1280:720", "first_frame": "http://a.example/1.png"}, ["video.first_frame"]),
    ],
)
def test_a_model_takes_what_its_documents_say(model: str, fields: dict[str, Any], refused: list[str]) -> None:
    assert _refused(model=model, prompt="a horse", **fields) == refused


def test_a_prompt_is_as_long_as_its_model_takes() -> None:
    for model, most in (("gen4.5", 1000), ("happyhorse_1_0", 2500), ("seedance2", 3500)):
        more = {"ratio": "1280:720", "duration": 5}
        assert _refused(model=model, prompt="x" * most, **more) == []
        assert _refused(model=model, prompt="x" * (most + 1), **more) == ["video.prompt"]


def test_a_resolution_is_sent_in_lower_case() -> None:
    assert _body(model="happyhorse_1_0", first_frame=FIRST, resolution="1080P")["resolution"] == "1080p"

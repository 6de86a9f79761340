"""The calls that a submit to Modellix becomes."""

import json

import pytest

from submitter.errors import InvalidRequest
from submitter.providers import modellix
from submitter.providers.contract import SubmitContext
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

CONTEXT = SubmitContext(callback_url=None, idempotency_key="tsk_1")
REQUEST = VideoRequest(
    model="happyhorse-1.0-r2v",
    prompt="[Image 1][image 2]s and character2",
    reference_images=("https://a.example/1.png", "https://a.example/2.png"),
    resolution="720p",
)


@pytest.mark.parametrize(
    ("options", "path"),
    [({}, "/async"), ({"path": "async"}, "/async"), ({"path": "plain"}, "")],
)
def test_the_suffix_of_the_path_is_a_setting(options: dict[str, str], path: str) -> None:
    call = modellix.build_submit(REQUEST, recorded.account("modellix", options=options), CONTEXT)
    assert call.url == f"https://api.modellix.ai/api/v1/alibaba/happyhorse-1.0-r2v{path}"


def test_pictures_are_named_as_characters_and_the_model_is_not_in_the_body() -> None:
    call = modellix.build_submit(REQUEST, recorded.account("modellix"), CONTEXT)
    assert json.loads(call.body) == {
        "reference_images": ["https://a.example/1.png", "https://a.example/2.png"],
        "prompt": "character1 character2 s and character2",
        "resolution": "720P",
    }


def test_a_raw_body_goes_to_the_path_that_names_its_model() -> None:
    raw = RawRequest(body={"prompt": "x"}, path="/google/veo-3")
    call = modellix.build_submit(raw, recorded.account("modellix"), CONTEXT)
    assert (call.url, call.body) == ("https://api.modellix.ai/api/v1/google/veo-3", b'{"prompt":"x"}')


def test_a_raw_body_without_a_path_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"raw\.path"):
        modellix.build_submit(RawRequest(body={}), recorded.account("modellix"), CONTEXT)

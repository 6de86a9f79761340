"""The five documented pages: a VideoRequest with an example's values comes out as exactly the example's body."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submitter.providers.contract import SubmitContext
from submitter.providers.registry import ADAPTERS
from submitter.providers.validation import validate_video
from submitter.request import VideoRequest
from tests.unit.providers import recorded

SEEDS = Path(__file__).parent / "seeds"
TOKENBAY_FORM: dict[str, Any] = json.loads((SEEDS / "tokenbay_form.json").read_text())
CALLBACK = "https://us.example/callbacks/hiapi/token"
TYPES = {"string": str, "integer": int, "boolean": bool}


def _example(name: str) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((SEEDS / f"{name}.json").read_text())
    return example


def _sent(adapter: str, request: VideoRequest) -> dict[str, Any]:
    assert validate_video(request, ADAPTERS[adapter].CAPABILITIES) == ()
    context = SubmitContext(callback_url=CALLBACK, idempotency_key="tsk_1")
    body: dict[str, Any] = json.loads(ADAPTERS[adapter].build_submit(request, recorded.account(adapter), context).body)
    return body


def _hiapi(example: dict[str, Any]) -> VideoRequest:
    given = example["input"]
    return VideoRequest(
        model=example["model"],
        prompt=given["prompt"],
        reference_images=given["reference_image"],
        resolution=given["resolution"],
        ratio=given["aspect_ratio"],
        duration=given["duration"],
    )


@pytest.mark.parametrize("name", ["hiapi_r2v_scene", "hiapi_r2v_subject", "hiapi_r2v_style"])
def test_hiapi_gets_its_example_and_our_callback(name: str) -> None:
    example = _example(name)
    sent = _sent("hiapi", _hiapi(example))
    assert sent.pop("callback") == {"url": CALLBACK, "when": "final"}
    assert sent == example


def test_dashscope_gets_its_example() -> None:
    example = _example("dashscope_r2v")
    request = VideoRequest(
        model="happyhorse-1.0-r2v",
        prompt=example["input"]["prompt"],
        reference_images=tuple(item["url"] for item in example["input"]["media"]),
        resolution="720P",
        ratio="16:9",
        duration=5,
    )
    assert _sent("dashscope", request) == example


def test_modellix_gets_its_example() -> None:
    example = _example("modellix_r2v")
    request = VideoRequest(
        model="happyhorse-1.0-r2v", prompt=example["prompt"], reference_images=example["reference_images"]
    )
    assert _sent("modellix", request) == example


def test_modelstream_gets_its_example() -> None:
    example = _example("modelstream_r2v")
    request = VideoRequest(
        model="happyhorse-1.0-r2v",
        prompt=example["prompt"],
        reference_images=tuple(item["url"] for item in example["metadata"]["input"]["media"]),
        resolution="1080P",
        ratio="16:9",
        duration=5,
        watermark=True,
    )
    assert _sent("modelstream", request) == example


EVERYTHING: dict[str, Any] = {"prompt": "[Image 1]", "resolution": "720p", "duration": 3, "watermark": False, "seed": 1}
FULL = {
    "happyhorse-1.0-t2v": EVERYTHING | {"prompt": "a horse", "ratio": "9:21"},
    "happyhorse-1.0-i2v": EVERYTHING | {"first_frame": "https://a.example/1.png"},
    "happyhorse-1.0-r2v": EVERYTHING
    | {"ratio": "9:21", "reference_images": ("https://a.example/1.png",), "reference_type": "style"},
}
LEAST: dict[str, dict[str, Any]] = {
    "happyhorse-1.0-t2v": {"prompt": "a horse"},
    "happyhorse-1.0-i2v": {"first_frame": "https://a.example/1.png"},
}


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every field that is not itself an object or a list, as `metadata.input.media[].url`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, value


@pytest.mark.parametrize("model", FULL)
def test_tokenbay_gets_every_field_of_its_form_and_no_other(model: str) -> None:
    leaves = dict(_leaves(_sent("tokenbay", VideoRequest(model=model, **FULL[model]))))
    assert sorted(leaves) == sorted(TOKENBAY_FORM["models"][model]["fields"])
    assert all(type(value) is TYPES[TOKENBAY_FORM["types"][path]] for path, value in leaves.items())
    assert all(leaves[path] in allowed for path, allowed in TOKENBAY_FORM["choices"].items() if path in leaves)


@pytest.mark.parametrize("model", LEAST)
def test_tokenbay_gets_nothing_that_the_caller_left_out(model: str) -> None:
    leaves = dict(_leaves(_sent("tokenbay", VideoRequest(model=model, **LEAST[model]))))
    assert sorted(leaves) == sorted(TOKENBAY_FORM["models"][model]["required"])

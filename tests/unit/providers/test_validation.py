"""What each provider's documents do not take is found before any network, by field, with what would pass."""

from typing import Any

import pytest

from submitter.errors import Violation
from submitter.providers.registry import ADAPTERS
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest

URL = "https://a.example/1.png"
DATA_URI = "data:image/png;base64,iVBORw0KGgo="
NINE = ["16:9", "9:16", "3:4", "4:3", "4:5", "5:4", "1:1", "9:21", "21:9"]
FIVE = ["16:9", "9:16", "3:4", "4:3", "1:1"]
HIAPI, HIAPI_TEXT, HIAPI_1_0 = "happyhorse-1.1/reference-to-video", "happyhorse-1.1/text-to-video", "happyhorse-1-0"
#: Adapter and reference model, whose least request is a prompt and one picture.
REFERENCE = [
    ("hiapi", HIAPI),
    ("dashscope", "happyhorse-1.0-r2v"),
    ("dashscope", "happyhorse-1.1-r2v"),
    ("modellix", "happyhorse-1.0-r2v"),
    ("modellix", "happyhorse-1.1-r2v"),
    ("modelstream", "happyhorse-1.0-r2v"),
    ("tokenbay", "happyhorse-1.0-r2v"),
    ("newapi", "happyhorse-1.0-r2v"),
]
TEXT = [
    ("hiapi", HIAPI_TEXT),
    ("hiapi", HIAPI_1_0),
    ("dashscope", "happyhorse-1.0-t2v"),
    ("tokenbay", "happyhorse-1.0-t2v"),
    ("newapi", "happyhorse-1.1-t2v"),
]
HIAPI_FRAME = "happyhorse-1.1/image-to-video"
FRAME = [
    ("hiapi", HIAPI_FRAME),
    ("dashscope", "happyhorse-1.0-i2v"),
    ("tokenbay", "happyhorse-1.0-i2v"),
    ("newapi", "happyhorse-1.0-i2v"),
]
every_reference_model = pytest.mark.parametrize(("adapter", "model"), REFERENCE)
every_text_model = pytest.mark.parametrize(("adapter", "model"), TEXT)
every_frame_model = pytest.mark.parametrize(("adapter", "model"), FRAME)
every_model = pytest.mark.parametrize(("adapter", "model"), REFERENCE + TEXT + FRAME)


def _least(adapter: str, model: str) -> dict[str, Any]:
    if (adapter, model) in REFERENCE:
        return {"model": model, "prompt": "a horse", "reference_images": (URL,)}
    return {"model": model} | ({"first_frame": URL} if (adapter, model) in FRAME else {"prompt": "a horse"})


def _found(adapter: str, model: str, **changes: Any) -> list[Violation]:
    request = VideoRequest(**_least(adapter, model) | changes)
    return list(validate_video(request, ADAPTERS[adapter].CAPABILITIES))


def _fields(adapter: str, model: str, **changes: Any) -> list[str]:
    return [violation.field for violation in _found(adapter, model, **changes)]


def _raw(adapter: str, body: dict[str, Any], path: str | None = None) -> list[str]:
    request = RawRequest.model_construct(body=body, path=path)
    return [violation.field for violation in validate_video(request, ADAPTERS[adapter].CAPABILITIES)]


@every_model
def test_the_least_request_of_every_model_passes(adapter: str, model: str) -> None:
    assert _found(adapter, model) == []


def test_an_unknown_model_is_answered_with_the_list_and_the_way_around() -> None:
    (violation,) = _found("modelstream", "happyhorse-1.0-t2v")
    assert violation == Violation(
        field="video.model",
        rule="'happyhorse-1.0-t2v' is not a model that ModelStream documents for `video`",
        accepted="happyhorse-1.0-r2v, or send raw",
    )


def test_hiapis_image_to_video_has_one_picture_and_neither_ratio_nor_seed() -> None:
    model = HIAPI_FRAME
    assert _fields("hiapi", model, first_frame=None) == ["video.first_frame"]
    assert _fields("hiapi", model, reference_images=(URL,)) == ["video.reference_images"]
    assert _fields("hiapi", model, ratio="16:9", seed=1, last_frame=URL) == [
        "video.last_frame",
        "video.ratio",
        "video.seed",
    ]


@every_model
def test_duration_is_three_to_fifteen(adapter: str, model: str) -> None:
    assert [_fields(adapter, model, duration=seconds) for seconds in (3, 15)] == [[], []]
    (violation,) = _found(adapter, model, duration=16)
    assert violation == Violation(field="video.duration", rule="is out of range", accepted="whole seconds from 3 to 15")
    assert _fields(adapter, model, duration=2) == _fields(adapter, model, duration=-(10**30)) == ["video.duration"]


@every_model
def test_resolution_counts_in_either_case(adapter: str, model: str) -> None:
    assert all(_fields(adapter, model, resolution=word) == [] for word in ("720p", "720P", "1080p", "1080P"))
    assert _fields(adapter, model, resolution="480P") == ["video.resolution"]


def test_a_resolution_is_offered_in_the_providers_own_case() -> None:
    assert _found("hiapi", HIAPI, resolution="4K")[0].accepted == "720p, 1080p"
    assert _found("modellix", "happyhorse-1.0-r2v", resolution="4K")[0].accepted == "720P, 1080P"


@pytest.mark.parametrize(("adapter", "model"), REFERENCE + TEXT)
def test_ratios_are_the_nine_or_the_five(adapter: str, model: str) -> None:
    five = (adapter, model) in {("modellix", "happyhorse-1.0-r2v"), ("hiapi", HIAPI_1_0)}
    taken = [ratio for ratio in NINE if not _fields(adapter, model, ratio=ratio)]
    assert taken == (FIVE if five else NINE)
    assert _fields(adapter, model, ratio="2:1") == ["video.ratio"]


@every_frame_model
def test_a_ratio_beside_a_first_frame_would_be_ignored_so_it_is_refused(adapter: str, model: str) -> None:
    assert _fields(adapter, model, ratio="16:9") == ["video.ratio"]


@every_model
def test_seed_is_a_31_bit_number_and_unknown_to_hiapi_1_1(adapter: str, model: str) -> None:
    expected = ["video.seed"] if model in {HIAPI, HIAPI_TEXT, HIAPI_FRAME} else []
    assert _fields(adapter, model, seed=0) == _fields(adapter, model, seed=2_147_483_647) == expected
    assert _fields(adapter, model, seed=-1) == _fields(adapter, model, seed=2_147_483_648) == ["video.seed"]


@every_model
def test_watermark_is_unknown_to_hiapi_and_modellix(adapter: str, model: str) -> None:
    expected = ["video.watermark"] if adapter in {"hiapi", "modellix"} else []
    assert _fields(adapter, model, watermark=True) == _fields(adapter, model, watermark=False) == expected


@every_model
def test_reference_type_exists_only_at_tokenbays_reference_model(adapter: str, model: str) -> None:
    taken = (adapter, model) == ("tokenbay", "happyhorse-1.0-r2v")
    assert _fields(adapter, model, reference_type="style") == ([] if taken else ["video.reference_type"])
    assert _fields(adapter, model, reference_type="other") == ["video.reference_type"]


@every_reference_model
def test_reference_pictures_are_one_to_nine(adapter: str, model: str) -> None:
    assert _fields(adapter, model, reference_images=(URL,) * 9) == []
    assert _fields(adapter, model, reference_images=()) == ["video.reference_images"]
    assert _fields(adapter, model, reference_images=(URL,) * 10) == ["video.reference_images"]


@pytest.mark.parametrize(("adapter", "model"), TEXT + FRAME)
def test_reference_pictures_do_not_exist_elsewhere(adapter: str, model: str) -> None:
    assert _fields(adapter, model, reference_images=(URL,)) == ["video.reference_images"]


@pytest.mark.parametrize(("adapter", "model"), TEXT + REFERENCE)
def test_a_first_frame_does_not_exist_elsewhere(adapter: str, model: str) -> None:
    assert _fields(adapter, model, first_frame=URL) == ["video.first_frame"]


@every_frame_model
def test_image_to_video_needs_its_frame_and_no_prompt(adapter: str, model: str) -> None:
    assert _fields(adapter, model, first_frame=None) == ["video.first_frame"]


@pytest.mark.parametrize(("adapter", "model"), REFERENCE + TEXT)
@pytest.mark.parametrize("prompt", [None, "", "  \n"])
def test_the_other_models_need_a_prompt(adapter: str, model: str, prompt: str | None) -> None:
    assert _fields(adapter, model, prompt=prompt) == ["video.prompt"]


@every_model
@pytest.mark.parametrize("prompt", ["x" * 5_000, "马" * 2_500, "马" * 2_000 + "x" * 1_000])
def test_a_prompt_may_weigh_five_thousand_and_no_more(adapter: str, model: str, prompt: str) -> None:
    assert _fields(adapter, model, prompt=prompt) == []
    (violation,) = _found(adapter, model, prompt=prompt + "x")
    assert violation == Violation(
        field="video.prompt",
        rule="weighs 5001, a Chinese character counting two",
        accepted="up to 5000 characters, or 2500 Chinese ones",
    )


def test_a_prompt_is_weighed_as_it_is_sent() -> None:
    prompt = "[Image 1]" + " " * 4_991
    assert _fields("dashscope", "happyhorse-1.0-r2v", prompt=prompt) == []
    assert _fields("modellix", "happyhorse-1.0-r2v", prompt=prompt) == ["video.prompt"]


@every_reference_model
@pytest.mark.parametrize(
    "prompt", ["[Image 3]", "[Image 0]", "character3", "Character0", "[Image 123456789012345678901]"]
)
def test_a_marker_beyond_the_pictures_is_refused(adapter: str, model: str, prompt: str) -> None:
    assert _fields(adapter, model, prompt=prompt, reference_images=(URL, URL)) == ["video.prompt"]
    fine = "[Image 1] [image 2] character1 Character2"
    assert _fields(adapter, model, prompt=fine, reference_images=(URL, URL)) == []


def test_each_missing_picture_is_named() -> None:
    found = _found("dashscope", "happyhorse-1.0-r2v", prompt="[Image 1] [Image 2] [Image 7]")
    assert [violation.rule for violation in found] == [
        "names picture 2, which is not there",
        "names picture 7, which is not there",
    ]
    assert found[0].accepted == "1 to 1"


@every_text_model
def test_without_pictures_a_bracket_is_refused_and_a_character_is_a_word(adapter: str, model: str) -> None:
    assert _fields(adapter, model, prompt="[Image 1] runs") == ["video.prompt"]
    assert _fields(adapter, model, prompt="character1 runs") == []


@every_frame_model
def test_the_first_frame_is_the_one_picture_to_name(adapter: str, model: str) -> None:
    assert _fields(adapter, model, prompt="[Image 1] runs") == []
    assert _fields(adapter, model, prompt="[Image 2] runs") == ["video.prompt"]


@every_reference_model
def test_data_uris_are_accepted_only_by_dashscope(adapter: str, model: str) -> None:
    expected = [] if adapter == "dashscope" else ["video.reference_images[1]"]
    assert _fields(adapter, model, reference_images=(URL, DATA_URI)) == expected


@every_frame_model
def test_data_uris_as_first_frame_are_accepted_only_by_dashscope(adapter: str, model: str) -> None:
    expected = [] if adapter == "dashscope" else ["video.first_frame"]
    assert _fields(adapter, model, first_frame=DATA_URI) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/gif;base64,iVBORw0KGgo=",
        "data:image/png,iVBORw0KGgo=",
        "data:image/png;base64,",
        "data:image/png;base64,iVBO Rw0=",
        "data:image/png;base64,iVBORw0KGgo",
        "data:image/png;base64,iVBORw0KGgo=\n",
        "data:text/html;base64,iVBORw0KGgo=",
    ],
)
def test_a_data_uri_is_base64_of_a_picture_format(uri: str) -> None:
    assert _fields("dashscope", "happyhorse-1.0-i2v", first_frame=uri) == ["video.first_frame"]


@every_reference_model
@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/1.png",
        "HTTPS://a.example/1.png",
        "//a.example/1.png",
        "a.example/1.png",
        "https://",
        "https:///1.png",
        "https://a.example:99999/1.png",
        "https://[::1/1.png",
        "https://a.example/1 2.png",
        "https://a.example/1.png\n",
        "https://a.example/\x00",
        "https://a.example\\@b.example/",
        "https://a.example/" + "x" * 9_000,
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_a_malformed_address_is_named_by_its_place(adapter: str, model: str, url: str) -> None:
    assert _fields(adapter, model, reference_images=(URL, URL, url)) == ["video.reference_images[2]"]


def test_plain_http_and_long_data_are_accepted() -> None:
    assert _fields("modellix", "happyhorse-1.0-r2v", reference_images=("http://a.example:8080/ü.png?x=1#y",)) == []
    assert _fields("dashscope", "happyhorse-1.0-i2v", first_frame="data:image/webp;base64," + "A" * 20_000_000) == []


@every_model
def test_a_nul_in_the_prompt_is_refused(adapter: str, model: str) -> None:
    assert _fields(adapter, model, prompt="a\0horse") == ["video.prompt"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": "a \ud800 horse"}, "video.prompt"),
        ({"reference_images": ("https://a.example/\udfff",)}, "video.reference_images[0]"),
        ({"ratio": "\ud800"}, "video.ratio"),
        ({"resolution": "\ud800"}, "video.resolution"),
        ({"reference_type": "\ud800"}, "video.reference_type"),
        ({"model": "\ud800"}, "video.model"),
    ],
)
def test_half_a_surrogate_pair_is_a_violation_and_not_a_crash(changes: dict[str, Any], field: str) -> None:
    least = VideoRequest(**_least("tokenbay", "happyhorse-1.0-r2v"))
    found = validate_video(least.model_copy(update=changes), ADAPTERS["tokenbay"].CAPABILITIES)
    assert {violation.field for violation in found} == {field}
    assert all(str(violation).encode() for violation in found)


def test_every_violation_is_reported_at_once_in_the_order_of_the_fields() -> None:
    fields = _fields(
        "hiapi", HIAPI, prompt="", reference_images=("x",), resolution="8K", ratio="1:9", duration=99, seed=1
    )
    assert fields == [
        "video.prompt",
        "video.reference_images[0]",
        "video.resolution",
        "video.ratio",
        "video.duration",
        "video.seed",
    ]


def test_all_violations_are_found_and_a_valid_request_has_none() -> None:
    capabilities = ADAPTERS["hiapi"].CAPABILITIES
    assert validate_video(VideoRequest(model=HIAPI_TEXT, prompt="a horse"), capabilities) == ()
    violations = validate_video(VideoRequest(model=HIAPI_TEXT, duration=1), capabilities)
    assert [violation.field for violation in violations] == ["video.prompt", "video.duration"]


def test_a_raw_body_may_not_hold_a_callback() -> None:
    assert _raw("hiapi", {"callback": {"url": URL}}) == ["raw.body.callback"]
    assert _raw("dashscope", {"callback": {"url": URL}}) == []


@pytest.mark.parametrize("adapter", ["hiapi", "dashscope", "modelstream", "tokenbay", "newapi"])
def test_any_other_raw_body_passes_to_the_default_path(adapter: str) -> None:
    assert _raw(adapter, {"model": "anything", "input": {"deep": [{"er": None}]}, "n": 1.5}) == []


def _nested(levels: int) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for _ in range(levels - 1):
        body = {"x": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        {"x": "\ud800"},
        {"\udfff": 1},
        {"x": float("nan")},
        {"x": [float("inf")]},
        {"x": {1, 2}},
        {"x": b"bytes"},
        _nested(101),
        _nested(100_000),
    ],
)
def test_a_raw_body_that_cannot_be_sent_is_refused(body: dict[str, Any]) -> None:
    assert _raw("hiapi", body) == ["raw.body"]


def test_a_raw_body_may_be_a_hundred_levels_deep() -> None:
    assert _raw("hiapi", _nested(100)) == []


@pytest.mark.parametrize(
    ("adapter", "path"),
    [
        ("hiapi", "/v1/tasks"),
        ("dashscope", "/services/aigc/text2image/image-synthesis"),
        ("modellix", "/google/veo-3"),
        ("modellix", "/google/veo-3/async"),
        ("newapi", "/kling/v1/videos/text2video"),
    ],
)
def test_a_raw_path_for_tasks_passes(adapter: str, path: str) -> None:
    assert _raw(adapter, {}, path) == []


@pytest.mark.parametrize(
    ("adapter", "path"),
    [
        ("hiapi", "/v1/storages/promote"),
        ("dashscope", "/tasks/x/cancel"),
        ("dashscope", "/services/../tasks/x/cancel"),
        ("modellix", None),
        ("modellix", "/tasks"),
        ("modellix", "/google/veo-3/other"),
        ("modellix", "/a/../async"),
        ("newapi", "/v1/../../x"),
        ("newapi", "/."),
    ],
)
def test_a_raw_path_elsewhere_is_refused(adapter: str, path: str | None) -> None:
    assert _raw(adapter, {}, path) == ["raw.path"]

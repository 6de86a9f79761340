"""The rules of each field that only some providers have, with made-up limits."""

from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import Violation
from submitter.providers.contract import Budget, Capabilities, ModelFamily, PollAdvice
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest

URL = "https://a.example/1.png"
PLAIN = ModelFamily(models=("plain-1",), duration_s=None)


def _capabilities(*families: ModelFamily, **changes: Any) -> Capabilities:
    made_up = Capabilities(
        title="Made-up",
        default_base_url=None,
        families=families,
        marker="[Image N]",
        callback=False,
        idempotency_s=None,
        retention_s=60.0,
        poll=PollAdvice(every_s=5.0, floor_s=1.0),
        budget=Budget(per_s=1.0, burst=1, submits_count=False),
    )
    return replace(made_up, **changes)


def _found(family: ModelFamily, **fields: Any) -> list[Violation]:
    request = VideoRequest(**{"model": "plain-1", "prompt": "a horse"} | fields)
    return list(validate_video(request, _capabilities(family)))


def _fields(family: ModelFamily, **fields: Any) -> list[str]:
    return [violation.field for violation in _found(family, **fields)]


FIELDS_OF_SOME = [
    ("reference_images", (URL,)),
    ("first_frame", URL),
    ("last_frame", URL),
    ("negative_prompt", "blur"),
    ("audio", True),
    ("audio", False),
    ("resolution", "720p"),
    ("ratio", "16:9"),
    ("duration", 5),
    ("seed", 1),
    ("watermark", False),
    ("reference_type", "style"),
]


@pytest.mark.parametrize(("field", "value"), FIELDS_OF_SOME)
def test_a_field_that_a_family_does_not_have_is_refused_by_name(field: str, value: object) -> None:
    (violation,) = _found(PLAIN, **{field: value})
    assert violation == Violation(
        field=f"video.{field}",
        rule="does not exist at this provider's model",
        accepted="leave it out, or send raw",
    )


def test_a_last_frame_stands_beside_a_first_frame() -> None:
    family = replace(PLAIN, first_frame=True, first_frame_optional=True, last_frame=True)
    assert _found(family, first_frame=URL, last_frame=URL) == []
    (violation,) = _found(family, last_frame=URL)
    assert violation == Violation(
        field="video.last_frame", rule="stands without a first frame", accepted="a first_frame as well"
    )


def test_a_last_frame_may_stand_alone_where_no_first_frame_exists() -> None:
    assert _found(replace(PLAIN, last_frame=True), last_frame=URL) == []


@pytest.mark.parametrize("url", ["ftp://a.example/1.png", "https://", "https://a.example/1 2.png", "data:image/png,x"])
def test_a_last_frame_is_an_address_as_a_first_frame_is(url: str) -> None:
    family = replace(PLAIN, first_frame=True, last_frame=True)
    assert _fields(family, first_frame=URL, last_frame=url) == ["video.last_frame"]


def test_a_prompt_can_name_the_last_frame_as_a_second_picture() -> None:
    family = replace(PLAIN, first_frame=True, last_frame=True)
    assert _found(family, prompt="from [Image 1] to [Image 2]", first_frame=URL, last_frame=URL) == []
    (violation,) = _found(family, prompt="[Image 3]", first_frame=URL, last_frame=URL)
    assert (violation.rule, violation.accepted) == ("names picture 3, which is not there", "1 to 2")


def test_a_first_frame_is_needed_unless_it_is_optional() -> None:
    needed = replace(PLAIN, first_frame=True)
    (violation,) = _found(needed)
    assert violation == Violation(field="video.first_frame", rule="is missing", accepted="the address of one picture")
    assert _found(replace(needed, first_frame_optional=True)) == []
    assert _fields(replace(needed, first_frame_optional=True), first_frame="x") == ["video.first_frame"]


@pytest.mark.parametrize("frames", [{"first_frame": URL}, {"first_frame": URL, "last_frame": URL}])
def test_frames_and_reference_images_exclude_each_other_where_the_documents_say_so(frames: dict[str, str]) -> None:
    both = replace(PLAIN, first_frame=True, first_frame_optional=True, last_frame=True, reference_images=(0, 3))
    either = replace(both, frames_exclude_references=True)
    assert _found(either, **frames) == _found(either, reference_images=(URL,)) == _found(either) == []
    assert _found(both, reference_images=(URL,), **frames) == []
    (violation,) = _found(either, reference_images=(URL,), **frames)
    assert violation == Violation(
        field="video.reference_images",
        rule="cannot stand beside a first or last frame",
        accepted="reference images or frames, not both",
    )


@pytest.mark.parametrize(("count", "is_taken"), [(0, False), (1, True), (3, True), (4, False)])
def test_the_number_of_reference_images_is_within_its_bounds(count: int, is_taken: bool) -> None:
    found = _found(replace(PLAIN, reference_images=(1, 3)), reference_images=(URL,) * count)
    assert [str(each) for each in found] == (
        [] if is_taken else [f"video.reference_images: has {count} pictures; accepted: 1 to 3 pictures"]
    )


def test_a_ratio_may_be_needed_where_there_is_no_first_frame() -> None:
    family = replace(PLAIN, first_frame=True, first_frame_optional=True, ratios=("16:9",), ratio_without_frame=True)
    assert _found(family, ratio="16:9") == _found(family, first_frame=URL) == []
    assert [str(each) for each in _found(family)] == [
        "video.ratio: is missing, and there is no first frame whose ratio the video could have; accepted: 16:9"
    ]


def test_a_ratio_for_text_is_refused_beside_a_first_frame() -> None:
    family = replace(PLAIN, first_frame=True, first_frame_optional=True, ratios=("16:9",), ratio_for_text=True)
    assert _found(family, ratio="16:9") == _found(family, first_frame=URL) == []
    assert _fields(family, ratio="1:1") == ["video.ratio"]
    assert _found(replace(family, ratio_for_text=False), ratio="16:9", first_frame=URL) == []
    (violation,) = _found(family, ratio="16:9", first_frame=URL)
    assert violation == Violation(
        field="video.ratio",
        rule="stands beside a first frame, whose ratio the video has",
        accepted="leave it out",
    )


def test_a_ratio_is_needed_where_no_first_frame_gives_one() -> None:
    family = replace(PLAIN, first_frame=True, first_frame_optional=True, ratios=("16:9",), ratio_without_frame=True)
    assert _found(family, ratio="16:9") == _found(family, first_frame=URL) == []
    assert _fields(family) == _fields(family, ratio="2:1") == ["video.ratio"]


def test_a_resolution_for_a_frame_is_refused_without_one() -> None:
    family = replace(
        PLAIN, first_frame=True, first_frame_optional=True, resolutions=("720p",), resolution_for_frame=True
    )
    assert _found(family, resolution="720p", first_frame=URL) == _found(family) == []
    assert _fields(family, resolution="720p") == ["video.resolution"]


def test_a_prompt_alone_may_have_fewer_ratios() -> None:
    frames = replace(PLAIN, first_frame=True, first_frame_optional=True)
    family = replace(frames, ratios=("16:9", "1:1"), text_ratios=("16:9",))
    assert _found(family, ratio="1:1", first_frame=URL) == _found(family, ratio="16:9") == []
    assert _fields(family, ratio="1:1") == ["video.ratio"]


@pytest.mark.parametrize(("seconds", "is_taken"), [(5, True), (10, True), (6, False), (0, False), (-5, False)])
def test_a_length_is_one_of_those_offered(seconds: int, is_taken: bool) -> None:
    found = _found(replace(PLAIN, durations=(5, 10)), duration=seconds)
    assert [str(each) for each in found] == (
        [] if is_taken else [f"video.duration: {seconds} is not offered; accepted: seconds: 5, 10"]
    )


def test_a_length_may_be_left_out_where_some_are_offered() -> None:
    assert _found(replace(PLAIN, durations=(5, 10))) == []


@pytest.mark.parametrize(
    ("field", "accepted"),
    [
        ("ratio", "16:9, 1:1"),
        ("resolution", "720p, 1080p"),
        ("duration", "seconds: 5, 10"),
        ("seed", "a value"),
    ],
)
def test_a_required_field_is_named_with_what_would_pass(field: str, accepted: str) -> None:
    family = replace(
        PLAIN, ratios=("16:9", "1:1"), resolutions=("720p", "1080p"), durations=(5, 10), seed=(0, 9), required=(field,)
    )
    (violation,) = _found(family)
    assert violation == Violation(field=f"video.{field}", rule="is missing", accepted=accepted)
    given = {"ratio": "16:9", "resolution": "720P", "duration": 5, "seed": 0}[field]
    assert _found(family, **{field: given}) == []


def test_a_required_switch_that_is_off_is_given() -> None:
    family = replace(PLAIN, audio=True, required=("audio",))
    assert _found(family, audio=False) == _found(family, audio=True) == []
    assert _fields(family) == ["video.audio"]


def test_a_negative_prompt_has_a_length_of_its_own() -> None:
    family = replace(PLAIN, negative_prompt=10)
    assert _found(family, negative_prompt="马" * 10) == _found(family, negative_prompt="") == []
    (violation,) = _found(family, negative_prompt="x" * 11)
    assert violation == Violation(
        field="video.negative_prompt", rule="has 11 characters", accepted="up to 10 characters"
    )


@pytest.mark.parametrize(
    ("text", "rule"), [("a\0b", "holds a NUL character"), ("a\ud800b", "holds half of a surrogate pair")]
)
def test_a_negative_prompt_holds_text_that_can_be_sent(text: str, rule: str) -> None:
    request = VideoRequest(model="plain-1", prompt="a horse").model_copy(update={"negative_prompt": text})
    (violation,) = validate_video(request, _capabilities(replace(PLAIN, negative_prompt=10)))
    assert (violation.field, violation.rule) == ("video.negative_prompt", rule)
    assert str(violation).encode()


@pytest.mark.parametrize("audio", [True, False, None])
def test_sound_is_on_off_or_left_to_the_provider(audio: bool | None) -> None:
    assert _found(replace(PLAIN, audio=True), audio=audio) == []


def test_a_prompt_counts_in_characters_where_the_provider_counts_so() -> None:
    family = replace(PLAIN, prompt_weight=None, prompt_characters=10)
    assert _found(family, prompt="马" * 10) == []
    (violation,) = _found(family, prompt="马" * 11)
    assert violation == Violation(field="video.prompt", rule="has 11 characters", accepted="up to 10 characters")
    (missing,) = _found(family, prompt=" ")
    assert (missing.rule, missing.accepted) == ("is missing", "up to 10 characters")


def test_a_prompt_without_a_documented_limit_is_any_text() -> None:
    family = replace(PLAIN, prompt_weight=None)
    assert _found(family, prompt="x" * 100_000) == []
    (missing,) = _found(family, prompt=None)
    assert missing.accepted == "any text that is not empty"


def test_the_markers_of_a_family_go_before_those_of_the_provider() -> None:
    """A marker that grows when it is sent in the family's words weighs more."""
    family = replace(PLAIN, reference_images=(1, 1), prompt_weight=None, prompt_characters=10)
    assert _found(family, prompt="[Image 1]x", reference_images=(URL,)) == []
    grown = replace(family, marker="characterN")
    assert [each.rule for each in _found(grown, prompt="[Image 1]x", reference_images=(URL,))] == ["has 12 characters"]


@pytest.mark.parametrize("member", ["webhook_url", "notify"])
def test_a_raw_body_leaves_every_member_that_names_a_callback_to_us(member: str) -> None:
    capabilities = _capabilities(PLAIN, callback_members=("webhook_url", "notify"))
    (violation,) = validate_video(RawRequest(body={member: None}, path="/v1/x"), capabilities)
    assert violation == Violation(
        field=f"raw.body.{member}",
        rule="would replace our own callback URL",
        accepted="leave it out, it is added on submit",
    )
    assert validate_video(RawRequest(body={"input": {member: URL}}, path="/v1/x"), capabilities) == ()
    both = validate_video(RawRequest(body={"notify": 1, "webhook_url": 2}, path="/v1/x"), capabilities)
    assert [each.field for each in both] == ["raw.body.webhook_url", "raw.body.notify"]


def test_every_violation_of_the_new_fields_is_reported_in_the_order_of_the_request() -> None:
    family = replace(PLAIN, first_frame=True, last_frame=True, durations=(5, 10), negative_prompt=3, required=("seed",))
    fields = _fields(
        family,
        prompt="",
        first_frame="x",
        last_frame="y",
        negative_prompt="blur",
        audio=True,
        ratio="1:1",
        duration=7,
    )
    assert fields == [
        "video.prompt",
        "video.first_frame",
        "video.last_frame",
        "video.negative_prompt",
        "video.audio",
        "video.ratio",
        "video.duration",
        "video.seed",
    ]

"""The two rules that need only the prompt: its weight and its picture markers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from submitter.request import RawRequest, VideoRequest, prompt_as_sent, prompt_weight, referenced_images, with_markers

PICTURES = ("https://a.example/1.png", "https://a.example/2.png")


@pytest.mark.parametrize(
    ("prompt", "weight"),
    [("", 0), ("horse", 5), ("马", 2), ("马 horse 𠀀", 11), ("ひらがな", 4), ("，。", 2), ("🐎", 1)],
)
def test_a_chinese_character_weighs_two_and_any_other_one(prompt: str, weight: int) -> None:
    assert prompt_weight(prompt) == weight


@pytest.mark.parametrize(
    ("prompt", "translated"),
    [
        ("[Image 1] meets character2.", "@image_1 meets @image_2."),
        ("[Image 1][image 2]x", "@image_1 @image_2 x"),
        ("@image_3 and mycharacter1", "@image_3 and mycharacter1"),
    ],
)
def test_markers_can_become_names_with_an_at_sign(prompt: str, translated: str) -> None:
    assert with_markers(prompt, "@image_N") == translated


@pytest.mark.parametrize(
    ("prompt", "numbers"),
    [
        ("[Image 1] and [ image  02 ] and [IMAGE3]", {1, 2, 3}),
        ("[Image 0]", {0}),
        ("[Image 99999999999]", {9_999_999}),
        ("[Image " + "9" * 6_000 + "]", {9_999_999}),
        ("[Image x] (Image 1) [Images 1] [Image １] [Image -1]", set()),
        ("character1", set()),
    ],
)
def test_a_bracket_marker_is_found_however_it_is_spaced(prompt: str, numbers: set[int]) -> None:
    assert referenced_images(prompt, words_too=False) == numbers


@pytest.mark.parametrize(
    ("prompt", "numbers"),
    [("Character1 与character2跳舞", {1, 2}), ("mycharacter1 character1st character_1 characters", set())],
)
def test_a_word_marker_stands_alone_among_ascii_letters(prompt: str, numbers: set[int]) -> None:
    assert referenced_images(prompt, words_too=True) == numbers


@pytest.mark.parametrize(
    ("prompt", "translated"),
    [
        ("The woman in [Image 1] waves", "The woman in character1 waves"),
        ("[Image 01][image 2]s", "character1 character2 s"),
        ("girl[Image 1]", "girl character1"),
        ("character1[Image 2]", "character1 character2"),
        ("[Image 1]跳舞", "character1跳舞"),
        ("Character1 stays as written", "Character1 stays as written"),
    ],
)
def test_brackets_become_words_that_stand_alone(prompt: str, translated: str) -> None:
    assert with_markers(prompt, "characterN") == translated


@pytest.mark.parametrize(
    ("prompt", "translated"),
    [
        ("A woman character1 meets Character02", "A woman [Image 1] meets [Image 2]"),
        ("[Image 1] stays, mycharacter1 too", "[Image 1] stays, mycharacter1 too"),
    ],
)
def test_words_become_brackets(prompt: str, translated: str) -> None:
    assert with_markers(prompt, "[Image N]") == translated


@given(st.lists(st.sampled_from(["[Image 1]", "[image 2]", "character3", "x", "_", " ", "]", "马"]), max_size=12))
def test_no_picture_is_lost_or_gained_in_translation(parts: list[str]) -> None:
    prompt = "".join(parts)
    named = referenced_images(prompt, words_too=True)
    assert referenced_images(with_markers(prompt, "characterN"), words_too=True) == named
    assert referenced_images(with_markers(prompt, "[Image N]"), words_too=True) == named


def test_without_reference_pictures_a_character_is_a_plain_word() -> None:
    request = VideoRequest(model="m", prompt="character1 walks")
    assert prompt_as_sent(request, "[Image N]") == "character1 walks"
    assert prompt_as_sent(request.model_copy(update={"reference_images": PICTURES}), "[Image N]") == "[Image 1] walks"
    assert prompt_as_sent(VideoRequest(model="m"), "[Image N]") is None


@pytest.mark.parametrize(
    "shape",
    [
        {"model": ""},
        {"model": "m", "duration": "5"},
        {"model": "m", "duration": 5.0},
        {"model": "m", "duration": True},
        {"model": "m", "watermark": "yes"},
        {"model": "m", "callback": "https://a.example"},
        {"model": "m", "reference_images": "https://a.example/1.png"},
        {"model": "m", "reference_images": [""]},
    ],
)
def test_a_wrong_shape_is_refused_when_it_enters(shape: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VideoRequest.model_validate(shape)


def test_the_model_of_a_raw_body_is_its_own_word() -> None:
    assert RawRequest(body={"model": "wan"}).model == "wan"
    assert RawRequest(body={"model": 7}).model is None


@pytest.mark.parametrize("path", ["", "x", "/", "//x", "/x/", "/a b", "/x?y=1", "/x\n", "/" + "x" * 300])
def test_a_raw_path_is_plain_segments(path: str) -> None:
    with pytest.raises(ValidationError):
        RawRequest(body={}, path=path)

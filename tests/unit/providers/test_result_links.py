"""The links of a finished task: their places at DashScope, HiAPI and Modellix, and links in odd spellings."""

from typing import Any

import pytest

from submitter.model import Output
from submitter.providers.json_reader import http_url
from submitter.providers.result_links import Link, first_links, links
from tests.unit.providers.statuses import LINK, SUCCEEDED, document, seen

SIGNED = "https://oss.example/v.mp4?Expires=1790086400"


@pytest.mark.parametrize(
    ("adapter", "place", "kinds"),
    [
        ("dashscope", {"video_url": LINK}, ["video"]),
        ("dashscope", {"results": {"video_url": LINK}}, ["video"]),
        ("dashscope", {"results": [{"url": LINK}]}, ["image"]),
        ("dashscope", {"results": [LINK]}, ["image"]),
        ("dashscope", {"results": [{"transcription_url": LINK, "subtask_status": "SUCCEEDED"}]}, ["transcription"]),
        ("dashscope", {"result": {"transcription_url": LINK}}, ["transcription"]),
        ("dashscope", {"output_video_url": LINK}, ["video"]),
        ("dashscope", {"image_url": LINK}, ["image"]),
        ("dashscope", {"url": LINK}, ["video"]),
        ("dashscope", {"video": {"url": LINK}}, ["video"]),
        ("dashscope", {"video_url": LINK, "results": [{"url": LINK}]}, ["video"]),
        ("hiapi", {"output": [{"url": LINK, "type": "image"}]}, ["image"]),
        ("hiapi", {"output": [LINK]}, ["video"]),
        ("hiapi", {"output": LINK}, ["video"]),
        ("hiapi", {"output": {"url": LINK, "type": "audio"}}, ["audio"]),
        ("hiapi", {"outputs": [{"url": LINK}]}, ["video"]),
        ("hiapi", {"video_url": LINK}, ["video"]),
        ("modellix", {"result": {"resources": [LINK]}}, ["video"]),
        ("modellix", {"resources": [{"url": LINK, "type": "image"}]}, ["image"]),
        ("modellix", {"result_resources": [{"url": LINK}]}, ["video"]),
        ("modellix", {"result": {"url": LINK}}, ["video"]),
        ("modellix", {"result": {"video_url": LINK}}, ["video"]),
    ],
)
def test_the_link_is_found_in_every_place_that_is_known(adapter: str, place: dict[str, Any], kinds: list[str]) -> None:
    outputs = seen(adapter, document(adapter, SUCCEEDED[adapter], place)).outputs
    assert [(each.url, each.type) for each in outputs] == [(LINK, kind) for kind in kinds]


@pytest.mark.parametrize(
    "place", [{}, {"output": []}, {"output": None}, {"output": [{}]}, {"output": [7, None, "no link"]}]
)
def test_no_link_is_no_output(place: dict[str, Any]) -> None:
    assert seen("hiapi", document("hiapi", "success", place)).outputs == ()


def test_the_end_of_a_dashscope_link_is_in_its_signature_wherever_it_stands() -> None:
    (output,) = seen("dashscope", document("dashscope", "SUCCEEDED", {"results": {"video_url": SIGNED}})).outputs
    assert output == Output(url=SIGNED, expires_at_ms=1_790_086_400_000)


def test_several_files_keep_their_order_and_their_ends() -> None:
    files = [{"url": LINK, "type": "video", "expireAt": 1_790_604_930}, "https://cdn.example/f.png"]
    outputs = seen("hiapi", document("hiapi", "success", {"output": files})).outputs
    assert outputs == (Output(url=LINK, expires_at_ms=1_790_604_930_000), Output(url="https://cdn.example/f.png"))


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (f"  {LINK}\n", LINK),
        (f"\r\n{LINK}\t", LINK),
        (f"\u3000{LINK}\u00a0", LINK),
        ("https://cdn.example/my video.mp4", "https://cdn.example/my%20video.mp4"),
        ("https://cdn.example/v.mp4?name=my video&x=1", "https://cdn.example/v.mp4?name=my%20video&x=1"),
        ("https://cdn.example/a\nb.mp4", "https://cdn.example/ab.mp4"),
        ("https://cdn.example/a%20b.mp4", "https://cdn.example/a%20b.mp4"),
        ("https://cdn.example/视频.mp4", "https://cdn.example/视频.mp4"),
        ("HTTPS://cdn.example/v.mp4", "HTTPS://cdn.example/v.mp4"),
    ],
)
def test_a_blank_or_a_line_end_in_a_link_is_trimmed_or_escaped(written: str, url: str) -> None:
    assert http_url(written) == url
    (output,) = seen("hiapi", document("hiapi", "success", {"output": [written]})).outputs
    assert output.url == url


@pytest.mark.parametrize(
    "written",
    [
        "https://cdn .example/v.mp4",
        "https://cdn%20.example/v.mp4",
        "https:// /v.mp4",
        "https://key@cdn.example/v.mp4",
        "https://cdn.example\\@evil.example/v.mp4",
        "https://cdn.example/\x00v.mp4",
        "https://cdn.example/\ud800",
        "ftp://cdn.example/v.mp4",
        "//cdn.example/v.mp4",
        "a text about https://cdn.example",
        "https://cdn.example/" + "x" * 8_192,
        "",
        " ",
        None,
        7,
        [LINK],
    ],
)
def test_what_is_no_link_stays_none(written: object) -> None:
    assert http_url(written) is None


def test_each_link_is_given_once_and_lists_within_lists_are_not_searched() -> None:
    holder = {"a": [LINK, {"url": LINK}, [LINK], {"url": {"url": LINK}}], "b": [[LINK + "?2"]], "c": LINK + "?3"}
    assert links(holder, ("a",), ("b",), ("c",)) == (
        Link(url=LINK, type="video"),
        Link(url=LINK + "?3", type="video"),
    )
    assert first_links(holder, ("b",), ("c",), ("a",)) == (Link(url=LINK + "?3", type="video"),)


def test_a_hostile_list_costs_a_hundred_items_at_most() -> None:
    assert len(links({"a": [f"{LINK}?{number}" for number in range(10_000)]}, ("a",))) == 100

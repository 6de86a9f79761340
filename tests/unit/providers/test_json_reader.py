"""Taking values out of untrusted JSON: the unit of every time field, and what counts as absent."""

import re
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.http.messages import HttpReply
from submitter.model import TaskState
from submitter.providers import json_reader
from submitter.providers.contract import SubmitContext
from submitter.providers.tokenbay import build_submit
from submitter.request import RawRequest
from tests.unit.providers import recorded


@pytest.mark.parametrize(
    "value", [0, -1, 1_790_000_000_000, 10**400, float("nan"), float("inf"), True, None, "1790000000", []]
)
def test_what_is_no_plausible_time_in_seconds_is_no_time(value: object) -> None:
    assert json_reader.ms_from_s(value) is None


@pytest.mark.parametrize("value", [0, 1_790_000_000, 10**400, False, "1790000000000"])
def test_what_is_no_plausible_time_in_milliseconds_is_no_time(value: object) -> None:
    assert json_reader.ms_from_ms(value) is None


def test_numbers_are_read_in_their_documented_unit() -> None:
    assert json_reader.ms_from_s(1_790_000_000) == json_reader.ms_from_ms(1_790_000_000_000) == 1_790_000_000_000
    assert json_reader.ms_from_s(1_790_000_000.25) == 1_790_000_000_250


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-09-01 10:00:00.100", 1_788_228_000_100),
        ("2026-09-01T10:00:00", 1_788_228_000_000),
        ("2026-09-01T02:00:00Z", 1_788_228_000_000),
        ("2026-09-01T02:00:00+00:00", 1_788_228_000_000),
        ("yesterday", None),
        ("", None),
        ("0001-01-01 00:00:00", None),
        ("9999-12-31T23:59:59-23:59", None),
        (1_788_228_000, None),
    ],
)
def test_a_text_without_a_zone_is_read_in_beijing_time(text: object, at_ms: int | None) -> None:
    assert json_reader.ms_from_text(text, json_reader.BEIJING) == at_ms


def test_a_text_without_a_zone_is_utc_elsewhere() -> None:
    assert json_reader.ms_from_text("2026-09-01T02:00:00", UTC) == 1_788_228_000_000


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (0, 0),
        (50, 50),
        (100, 100),
        (33.9, 33),
        ("50%", 50),
        ("7", 7),
        ("99.5 %", 99),
        (101, None),
        (-1, None),
        ("", None),
    ],
)
def test_progress_is_a_number_or_a_text(value: object, percent: int | None) -> None:
    assert json_reader.percent(value) == percent


@pytest.mark.parametrize("value", [True, None, "half", "1e2", float("nan"), float("inf"), 10**30, [50], "٥٠%"])
def test_anything_else_is_no_progress(value: object) -> None:
    assert json_reader.percent(value) is None


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("5", 5.0), (" 0.5 ", 0.5), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("9999999", None)],
)
def test_only_seconds_are_read_from_retry_after(value: str, wait_s: float | None) -> None:
    assert HttpReply(status=429, headers=(("retry-after", value),)).retry_after_s == wait_s


def test_text_is_clean_bounded_and_never_a_flag() -> None:
    assert json_reader.text(" a\x00b\ud800c ") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(json_reader.text("x" * 10_000)) == json_reader.TEXT_CAP
    assert (json_reader.text(429), json_reader.text(True), json_reader.text(10**30), json_reader.text({})) == (
        "429",
        "",
        "",
        "",
    )


def test_a_path_that_ends_early_is_nothing() -> None:
    document = {"data": {"rows": list(range(500))}}
    assert json_reader.at(document, "data", "rows", "x") is None
    assert json_reader.items_at(document, "data") == []
    assert len(json_reader.items_at(document, "data", "rows")) == json_reader.ITEMS_CAP


def test_case_of_a_state_word_does_not_matter_and_an_unknown_one_is_running() -> None:
    words = {"success": TaskState.SUCCEEDED}
    assert json_reader.state_of("SuCCess", words) == (TaskState.SUCCEEDED, True)
    assert json_reader.state_of("over", words) == (TaskState.RUNNING, False)


def test_a_receipt_never_opens_with_an_end() -> None:
    words = {"pending": TaskState.SUBMITTED, "running": TaskState.RUNNING, "failed": TaskState.FAILED}
    states = [json_reader.waiting_or_running(word, words) for word in ("", "pending", "failed", "running")]
    assert states == [TaskState.SUBMITTED, TaskState.SUBMITTED, TaskState.SUBMITTED, TaskState.RUNNING]


def test_of_a_body_the_first_64_kib_are_stored() -> None:
    assert len(json_reader.capped(b"x" * 70_000)) == 65_536


def test_tokenbay_passes_a_raw_body_on() -> None:
    context = SubmitContext(callback_url=None, idempotency_key="tsk_1")
    call = build_submit(RawRequest(body={"model": "veo"}), recorded.account("tokenbay"), context)
    assert (call.url, call.body) == ("https://api.tokenbay.com/v1/video/generations", b'{"model":"veo"}')


_URL_PARTS = (
    "http:",
    "https:",
    "HTTP:",
    "/",
    "//",
    "a",
    "b.c",
    "..",
    "é",
    "%",
    "%41",
    "@",
    "[",
    "]",
    "::1",
    "\\",
    " ",
    "\t",
)
_MORE_PARTS = ("?", "#", ":", ":80", ":65535", ":99999", ":0", "&=", "\x00", "~_-", "|{}", "１", "。", "x" * 20)


@given(st.lists(st.sampled_from(_URL_PARTS + _MORE_PARTS), max_size=12).map("".join))
def test_a_plain_url_passes_as_it_would_by_its_parts(text: str) -> None:
    """The expression for plain URLs saves the parser its work and decides nothing."""
    for url in (text, f"https://{text}", f"http://a.example/{text}"):
        found = json_reader.http_url(url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_reader, "_PLAIN_URL", re.compile("(?!)"))
            assert found == json_reader.http_url(url)

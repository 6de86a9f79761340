"""The abuse protection of CloudEvents, as values: what is asked, and which answers are consent."""

import pytest

from receiver.webhooks.model.cloudevents import (
    Denied,
    Granted,
    build_handshake,
    needed_answer,
    origin_of,
    read_handshake,
)
from submitter.http.messages import Headers, HttpReply

ORIGIN = "whenfinal.example"


def _read(*headers: tuple[str, str], status: int = 200, asked: bool = True) -> Granted | Denied:
    return read_handshake(HttpReply(status=status, headers=headers), origin=ORIGIN, is_rate_asked=asked)


def _yes(rate: str | None = "*", origin: str = ORIGIN) -> Headers:
    rates = () if rate is None else (("webhook-allowed-rate", rate),)
    return (("webhook-allowed-origin", origin), *rates)


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [("https://Whenfinal.Example:8443/base", ORIGIN), ("http://127.0.0.1:8000", "127.0.0.1")],
)
def test_our_name_is_the_host_of_our_public_address(public_url: str, origin: str) -> None:
    assert origin_of(public_url) == origin


def test_the_endpoint_itself_is_asked_by_options() -> None:
    call = build_handshake("https://hooks.example/a?b=c", origin=ORIGIN, rate_per_s=None)
    assert (call.method, call.url, call.body) == ("OPTIONS", "https://hooks.example/a?b=c", b"")
    assert call.headers == (("webhook-request-origin", ORIGIN),)


@pytest.mark.parametrize(
    ("rate_per_s", "a_minute"), [(2.0, "120"), (0.7, "42"), (0.001, "1"), (1.001, "61"), (10_000.0, "600000")]
)
def test_a_rate_is_asked_for_in_whole_requests_a_minute(rate_per_s: float, a_minute: str) -> None:
    call = build_handshake("https://hooks.example/a", origin=ORIGIN, rate_per_s=rate_per_s)
    assert dict(call.headers)["webhook-request-rate"] == a_minute


@pytest.mark.parametrize(
    ("rate", "per_s"),
    [("*", None), ("120", 2.0), ("1", 1 / 60), (" 0060 ", 1.0), ("999999999999", 999_999_999_999 / 60)],
)
def test_a_granted_rate_is_requests_a_minute_or_no_limit(rate: str, per_s: float | None) -> None:
    assert _read(*_yes(rate)) == Granted(per_s=per_s)


@pytest.mark.parametrize("origin", ["*", ORIGIN, "WHENFINAL.example", f" {ORIGIN} "])
def test_consent_names_us_or_everybody(origin: str) -> None:
    assert _read(*_yes(origin=origin)) == Granted(per_s=None)


def test_a_rate_may_be_left_out_only_when_none_was_asked_for() -> None:
    assert _read(*_yes(None), asked=False) == Granted(per_s=None)
    assert _read(*_yes(None), asked=True) == Denied(reason="answered 200 without webhook-allowed-rate")


@pytest.mark.parametrize(
    "rate", ["", "0", "000", "-1", "1.5", "1e3", "many", "+5", "٣", "1 2", "9" * 13, "**", "0x10", "1,2"]
)
def test_a_rate_that_is_no_positive_number_is_no_consent(rate: str) -> None:
    assert isinstance(_read(*_yes(rate)), Denied)
    assert isinstance(_read(*_yes(rate), asked=False), Denied)


@pytest.mark.parametrize("origin", ["", "other.example", f"{ORIGIN}.evil.example", f"{ORIGIN}, *", "*.example"])
def test_consent_for_somebody_else_is_none(origin: str) -> None:
    assert isinstance(_read(*_yes(origin=origin)), Denied)


def test_two_answers_to_one_question_are_no_consent() -> None:
    assert isinstance(_read(("webhook-allowed-origin", "*"), *_yes()), Denied)
    assert isinstance(_read(*_yes(), ("webhook-allowed-rate", "5")), Denied)


@pytest.mark.parametrize("status", [101, 301, 400, 405, 500])
def test_consent_comes_with_2xx_only(status: int) -> None:
    assert _read(*_yes(), status=status) == Denied(reason=f"answered {status}")


def test_a_200_that_says_nothing_of_us_is_no_consent() -> None:
    assert _read(("allow", "POST, OPTIONS")) == Denied(reason="answered 200 without webhook-allowed-origin")


def test_a_refusal_quotes_a_stranger_only_so_far() -> None:
    said = _read(*_yes(origin="x" * 5_000 + "\x1b[2J"))
    assert isinstance(said, Denied)
    assert len(said.reason) < 200
    assert "\x1b" not in str(_read(*_yes(origin="\x1b[2J")))


def test_the_needed_answer_names_the_headers() -> None:
    assert f"WebHook-Allowed-Origin: {ORIGIN}" in needed_answer(ORIGIN)

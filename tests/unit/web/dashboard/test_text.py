"""What others wrote is shown as text: escaped, cut with its length, and a link only where it is one."""

import pytest

from receiver.web.dashboard.model.text import block, link, one_line
from receiver.web.dashboard.rendering import _environment as environment
from receiver.web.dashboard.rendering import render

EVIL = "<script>alert(1)</script>\x1b[2J\u202ereversed\x00"


def test_control_characters_become_escapes() -> None:
    assert one_line("a\x1b[2J\u202eb\nc").text == "a\\x1b[2J\\u202eb\\nc"
    assert block("a\nb\x07").text == "a\nb\\x07"


def test_a_long_text_is_cut_and_says_how_long_it_is() -> None:
    shown = one_line("x" * 1_000_000)
    assert (len(shown.text), shown.whole) == (300, 1_000_000)
    assert one_line("short").whole is None


def test_json_is_indented_and_what_is_nearly_json_stays() -> None:
    assert block('{"a":[1]}').text == '{\n  "a": [\n    1\n  ]\n}'
    assert block("{not json").text == "{not json"
    assert block("[" * 5000).text == "[" * 5000


@pytest.mark.parametrize("text", ["https://cdn.example/v.mp4?a=b", "http://127.0.0.1:9/x"])
def test_an_http_address_is_a_link(text: str) -> None:
    assert link(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "//x",
        " https://a.example",
        "https://a b",
        "https://u@h/",
        "HTTPS\x00://x",
        "https://[::1",
        "vbscript:x",
        "",
    ],
)
def test_any_other_text_is_no_link(text: str) -> None:
    assert link(text) is None


def _made(macro: str, value: str) -> str:
    return str(getattr(environment().globals["parts"], macro)(value))


@pytest.mark.parametrize("macro", ["text", "block", "address", "id", "task_id"])
def test_markup_of_others_is_never_markup_of_ours(macro: str) -> None:
    made = _made(macro, EVIL)
    assert "<script" not in made
    assert "&lt;script&gt;" in made or "%3Cscript%3E" in made


def test_an_address_with_a_script_is_shown_and_does_not_lead_there() -> None:
    made = _made("address", "javascript:alert(1)")
    assert "href" not in made
    assert "javascript:alert(1)" in made


def test_a_template_with_a_value_that_is_missing_fails_and_shows_no_gap() -> None:
    with pytest.raises(Exception, match="undefined"):
        render("error.html", {})

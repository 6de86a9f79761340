"""No template holds a script, a style or a handler, switches escaping off, or names another site."""

import re
from pathlib import Path

import pytest

from receiver.web.dashboard.rendering import find_template

TEMPLATES = sorted((Path(__file__).resolve().parents[4] / "receiver/web/dashboard/templates").glob("*.html"))
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "an inline style": re.compile(r"<style|\sstyle\s*=", re.IGNORECASE),
    "a handler in an attribute": re.compile(r"\son[a-z]+\s*=|hx-on|js:|javascript:", re.IGNORECASE),
    "text that is not escaped": re.compile(r"\|\s*safe\b|autoescape|Markup"),
    "another site": re.compile(r"(?:src|href|action|hx-get)\s*=\s*[\"']https?:", re.IGNORECASE),
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_template_does_not_hold(template: Path, what: str) -> None:
    assert FORBIDDEN[what].findall(template.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_compiles(template: Path) -> None:
    assert find_template(template.name).blocks is not None


@pytest.mark.parametrize(
    ("what", "sample"),
    [
        ("an inline script", "<script>x()</script>"),
        ("an inline style", '<p style="color: red">'),
        ("a handler in an attribute", '<a onclick="x()">'),
        ("text that is not escaped", "{{ words | safe }}"),
        ("another site", '<img src="https://a.example/x.png">'),
    ],
)
def test_the_check_sees_each(what: str, sample: str) -> None:
    assert FORBIDDEN[what].search(sample)


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 5

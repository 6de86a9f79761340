"""The API reference shows every operation and model, with examples, and names no address outside."""

import json
import shlex
from html.parser import HTMLParser

import pytest

from receiver.web.openapi import build_document
from receiver.web.reference.model import TypeName, models_of, sections_of, type_of
from receiver.web.reference.page import marked, render
from receiver.web.routes import ROUTES, TAGS

DOCUMENT = build_document(ROUTES, version="1.2.3")


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "action", "srcset", "data", "poster"}:
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(name="page", scope="module")
def _page() -> _Page:
    return _Page(render(DOCUMENT, has_dashboard=True).decode())


def test_every_operation_is_on_the_page_once_with_its_path_and_example(page: _Page) -> None:
    assert {route.name for route in ROUTES} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    for section in sections_of(DOCUMENT):
        for operation in section.operations:
            assert operation.path in page.text
            assert operation.curl in page.text
            assert operation.answers
            for answer in operation.answers:
                assert answer.body is None or answer.body.example in page.text


def test_every_tag_and_every_model_has_a_place(page: _Page) -> None:
    assert {section.name for section in sections_of(DOCUMENT)} == set(TAGS)
    assert [each.name for each in models_of(DOCUMENT)] == sorted(DOCUMENT["components"]["schemas"])
    assert {*TAGS, *(f"model-{each.name}" for each in models_of(DOCUMENT))} <= set(page.ids)


def test_nothing_leads_outside_and_nothing_runs(page: _Page) -> None:
    inside = {"/openapi.json", "/ops", "data:,"}
    assert {link for link in page.links if not link.startswith("#")} == inside
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "form", "base"}


def test_without_a_dashboard_nothing_leads_to_it() -> None:
    assert "/ops" not in _Page(render(DOCUMENT, has_dashboard=False).decode()).links


def test_each_example_is_a_command_that_a_shell_takes_apart() -> None:
    for route in ROUTES:
        (operation,) = [each for every in sections_of(DOCUMENT) for each in every.operations if each.name == route.name]
        words = shlex.split(operation.curl)
        assert words[0] == "curl"
        assert (words[words.index("-X") + 1] if "-X" in words else "GET") == route.method
        assert any(word.startswith("$WHENFINAL_URL/") and "{" not in word for word in words)
        assert any("Authorization" in word for word in words) is (route.scope is not None)
        if "-d" in words:
            json.loads(words[words.index("-d") + 1])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/components/schemas/Task"}, TypeName(words="Task", model="Task")),
        ({"type": "array", "items": {"$ref": "#/x/Task"}}, TypeName(words="list of Task", model="Task")),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, TypeName(words="text or null")),
        ({"enum": ["a", "b"]}, TypeName(words="a | b")),
        ({"const": "a"}, TypeName(words="a")),
        ({"type": "integer", "minimum": 1, "maximum": 200}, TypeName(words="whole number from 1 to 200")),
        ({"type": "string", "format": "date-time"}, TypeName(words="time in RFC 3339")),
        ({}, TypeName(words="any")),
    ],
)
def test_a_type_is_told_in_words(schema: dict[str, object], expected: TypeName) -> None:
    assert type_of(schema) == expected


def test_what_stands_between_backticks_is_code_and_never_markup() -> None:
    assert marked("a `<b>` & <i>") == "a <code>&lt;b&gt;</code> &amp; &lt;i&gt;"

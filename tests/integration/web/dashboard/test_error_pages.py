"""Whatever goes wrong below /ops is answered with a page in words, under the same headers as every other page."""

import sqlite3
from pathlib import Path

import pytest

from receiver.web.bodies import FORM_BYTES
from receiver.web.dashboard.rendering import FILE_TYPES, file_address
from tests.support.dashboard import is_page, visiting
from tests.support.service import Served, served


async def test_an_unknown_page_is_named_as_such(service: Served) -> None:
    async with visiting(service) as browser:
        assert "no such page" in is_page(await browser.get("/ops/nowhere"), 404)
    async with visiting(service, None) as browser:
        assert "Sign in" in is_page(await browser.get("/ops/nowhere"), 404)


async def test_another_method_is_refused_with_those_that_are_taken(service: Served) -> None:
    async with visiting(service) as browser:
        answer = await browser.request("DELETE", "/ops/sign-in")
        is_page(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["/ops/%zz", "/ops/tasks/%00", "/ops/%ff", "/ops/tasks?q=%00", "/ops/tasks?q=%ff"])
async def test_an_address_that_cannot_be_read_is_refused(service: Served, path: str) -> None:
    async with visiting(service) as browser:
        is_page(await browser.get(path), 400)


async def test_a_form_that_is_too_large_or_of_another_kind_is_refused(service: Served) -> None:
    async with visiting(service) as browser:
        is_page(await browser.post("/ops/sign-in", data={"key": "x" * FORM_BYTES}), 413)
        is_page(await browser.post("/ops/sign-in", json={"key": "x"}), 415)
        is_page(await browser.post("/ops/sign-in", data={f"f{number}": "" for number in range(200)}), 400)
        is_page(await browser.post("/ops/sign-in", data={"key": "a\x00b"}), 400)


async def test_an_error_of_ours_is_a_page_without_its_inside(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async with visiting(service) as browser:
        monkeypatch.setattr("receiver.web.dashboard.page.render", lambda *_, **__: 1 / 0)
        page = is_page(await browser.get("/ops/tasks"), 500)
        assert "ZeroDivisionError" not in page


@pytest.mark.parametrize("name", FILE_TYPES)
async def test_a_file_is_served_to_all_and_for_good(service: Served, name: str) -> None:
    async with visiting(service, None) as browser:
        answer = await browser.get(file_address(name))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == FILE_TYPES[name]
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/ops/static/x/ops.css", "/ops/static/x/vendored.json", "/ops/static/x/..%2fpage.py"])
async def test_no_other_file_is_served(service: Served, path: str) -> None:
    async with visiting(service) as browser:
        is_page(await browser.get(path), 404)


async def test_a_ledger_that_is_gone_is_a_page_that_says_when_to_try_again(tmp_path: Path) -> None:
    async with served(tmp_path) as service, visiting(service) as browser:
        ledger = tmp_path / "ledger.db"
        with sqlite3.connect(ledger) as connection:
            connection.execute("DROP TABLE tasks")
        answer = await browser.get("/ops/tasks")
        is_page(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1

"""Bad input below /ops: a clear page, nothing run, nothing doubled, no 5xx but for a ledger that cannot be used."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.runtime.operator_runs.model import OperatorRun
from receiver.web.dashboard.acts.tasks import COUNTED_MOST, TOUCHED_SHOWN
from receiver.web.dashboard.pages.tasks import ROWS
from receiver.web.dashboard.session import SESSION_S, sign_session
from submitter.model import TaskError, TaskId, TaskState
from tests.support.builders import T0, a_report
from tests.support.dashboard import SAME_ORIGIN, is_page, visiting
from tests.support.dashboard_ledger import task_id
from tests.support.service import KEYS, SECRET_KEY, Served, served
from tests.support.subscriptions_over_http import create_subscription

COOKIE = "whenfinal_ops"
ACT = "/ops/acts/refuse-tasks"
LOST, LOST_TOO = (task_id(number, T0) for number in range(2))
#: What a provider may write, and what no page may hold as it is.
ODD = "<script>alert(1)</script>\x1b[2J\x00\x85\u202eevil\u2066\ufeff\ud800 \"'><img src=x onerror=alert(2)>"
PAGES = (
    *("/ops", "/ops/tasks", "/ops/tasks?state=failed", "/ops/tasks/tsk_1", "/ops/doubtful", "/ops/providers"),
    *("/ops/providers/hiapi", "/ops/events", "/ops/subscriptions", "/ops/subscriptions/notify", "/ops/deliveries"),
    *("/ops/runs", "/ops/ledger", "/ops/audit"),
)
RAW = ("<script>alert", "<img src=x", "\x1b", "\x00", "\x85", "\u202e", "\u2066", "\ufeff", "\ud800")


def _form(page: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    act = page[page.index('<form method="post" action="/ops/acts/') :]
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', act):
        found.setdefault(name, []).append(unescape(value))
    return found


async def _previewed(service: Served) -> dict[str, list[str]]:
    """The form that settles two uncertain submits as never created."""
    for name in (LOST, LOST_TOO):
        await service.has(name, None)
    async with visiting(service) as browser:
        return _form(is_page(await browser.get(ACT)))


async def _runs(service: Served) -> tuple[OperatorRun, ...]:
    return tuple((await service.services.store.runs.runs()).items)


async def _nothing_was_done(service: Served) -> bool:
    states = await service.services.store.tasks.states([LOST, LOST_TOO])
    return set(states.values()) == {TaskState.UNCERTAIN} and await _runs(service) == ()


async def _all_ended(service: Served) -> tuple[OperatorRun, ...]:
    async with asyncio.timeout(60):
        while any(run.is_open for run in await _runs(service)):
            await asyncio.sleep(0.01)
    return await _runs(service)


def _cookie(service: Served, name: str = "all", **changes: Any) -> str:
    key = next(each for each in service.services.keyring.keys if each.name == name)
    values: dict[str, Any] = {"nonce": "n" * 22, "now_s": service.services.clock() // 1000} | changes
    return sign_session(values.pop("secrets", [SECRET_KEY]), values.pop("key", key), **values)


async def test_an_expired_session_leads_to_the_sign_in_and_does_nothing(service: Served) -> None:
    form = await _previewed(service)
    old = _cookie(service, now_s=service.services.clock() // 1000 - SESSION_S - 10)
    async with visiting(service, None) as browser:
        browser.cookies.set(COOKIE, old)
        for address in ("/ops", f"/ops/tasks/{LOST}", f"/ops/tasks/{LOST}/outputs/0", ACT):
            away = await browser.get(address)
            assert (away.status_code, "ended=1" in away.headers["location"]) == (303, True)
        assert "Nothing was done" in is_page(await browser.post(ACT, data=form), 401)
        is_page(await browser.get(f"/ops/tasks/{LOST}", headers={"HX-Request": "true"}), 401)
    assert await _nothing_was_done(service)


def _forged(service: Served) -> dict[str, str]:
    """Cookies that nobody of ours has signed so."""
    good = _cookie(service)
    head, _, signature = good.rpartition(".")
    stronger = ApiKeyDigest(name="read", scopes=frozenset(Scope), sha256=b"\x00" * 32)
    return {
        "cut": good[:-1],
        "signature of another": f"{head}.{_cookie(service, 'read').rpartition('.')[2]}",
        "changed": f"x{head[1:]}.{signature}",
        "another secret": _cookie(service, secrets=["another-secret-of-someone-1"]),
        "a key of that name": _cookie(service, key=stronger),
        "from the future": _cookie(service, now_s=service.services.clock() // 1000 + 7200),
        "odd nonce": _cookie(service, nonce="x"),
        "long": good + "A" * 5000,
        "blank": "",
        "quoted": '"%22%00"',
        "dots": "." * 200,
    }


async def test_a_cookie_that_is_forged_or_of_another_is_no_session(service: Served) -> None:
    form = await _previewed(service)
    async with visiting(service, None) as browser:
        for name, cookie in _forged(service).items():
            headers = {**SAME_ORIGIN, "Cookie": f"{COOKIE}={cookie}"}
            assert (await browser.get("/ops/tasks", headers=headers)).status_code == 303, name
            is_page(await browser.post(ACT, data=form, headers=headers), 401)
    assert await _nothing_was_done(service)


async def test_a_key_that_lost_a_scope_meanwhile_does_no_act_any_more(tmp_path: Path) -> None:
    async with served(tmp_path) as before, visiting(before) as browser:
        form = await _previewed(before)
        cookie = browser.cookies[COOKIE]
    others = ",".join(f"{name}:{scopes}:{key}" for name, (scopes, key) in KEYS.items() if name != "all")
    for scopes, status in (("read", 403), ("submit", 403)):
        keys = f"{others},all:{scopes}:{KEYS['all'][1]}"
        async with served(tmp_path, WHENFINAL_API_KEYS=keys) as after, visiting(after, None) as browser:
            browser.cookies.set(COOKIE, cookie)
            is_page(await browser.post(ACT, data=form), status)
            assert await _nothing_was_done(after)
    async with served(tmp_path, WHENFINAL_API_KEYS=others) as after, visiting(after, None) as browser:
        browser.cookies.set(COOKIE, cookie)
        is_page(await browser.post(ACT, data=form), 401)
        assert await _nothing_was_done(after)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "SAME-ORIGIN"},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "{own}.evil.example"},
        {"Origin": "{own}/"},
        {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "Referer": "{own}/ops"},
        {},
    ],
    ids=str,
)
async def test_a_post_that_does_not_prove_to_be_of_our_pages_does_nothing(
    service: Served, headers: dict[str, str]
) -> None:
    form = await _previewed(service)
    said = {name: value.format(own=service.url) for name, value in headers.items()} | {
        "Cookie": f"{COOKIE}={_cookie(service)}"
    }
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as browser:
        assert "another site" in is_page(await browser.post(ACT, data=form, headers=said), 403)
        is_page(await browser.post("/ops/sign-out", headers=said), 403)
    assert await _nothing_was_done(service)


async def test_a_form_of_another_content_type_does_nothing(service: Served) -> None:
    form = await _previewed(service)
    pairs = [(name, value) for name, values in form.items() for value in values]
    text = "&".join(f"{name}={value}" for name, value in pairs)
    async with visiting(service) as browser:
        for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x", "text/html"):
            is_page(await browser.post(ACT, content=text, headers={"Content-Type": kind}), 415)
        is_page(await browser.post(ACT, content=text), 415)
        for method in ("PUT", "PATCH", "DELETE"):
            is_page(await browser.request(method, ACT, content=text), 405)
        override = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST"}
        is_page(await browser.get(f"{ACT}?{text}&_method=POST", headers=override))
        assert (await browser.head(ACT)).status_code == 200
        assert (await browser.options(ACT)).status_code == 405
    assert await _nothing_was_done(service)


async def test_a_task_that_was_pruned_between_the_list_and_the_click_is_said_so(
    service: Served, tmp_path: Path
) -> None:
    form = await _previewed(service)
    async with visiting(service) as browser:
        assert LOST in is_page(await browser.get("/ops/tasks"))
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger, ledger:
            for table in ("tasks", "observations", "task_labels"):
                ledger.execute(f"DELETE FROM {table}")
        for address in (f"/ops/tasks/{LOST}", f"/ops/tasks/{LOST}/outputs/0", f"/ops/acts/settle-task?task={LOST}"):
            is_page(await browser.get(address), 404)
        gone = await browser.get(f"/ops/tasks/rows?first=1&ids={LOST}.{LOST_TOO}", headers={"HX-Request": "true"})
        assert gone.status_code == 200
        is_page(await browser.post(ACT, data=form), 409)
    assert await _runs(service) == ()


async def test_two_operators_who_press_at_once_do_it_once_and_neither_gets_an_error(service: Served) -> None:
    form = await _previewed(service)
    async with visiting(service) as one, visiting(service) as other:
        theirs = _form(is_page(await other.get(ACT)))
        assert theirs["nonce"] != form["nonce"]
        presses = [(one, form), (one, form), (other, theirs), (other, theirs)]
        answers = await asyncio.gather(*(browser.post(ACT, data=fields) for browser, fields in presses))
    runs = await _all_ended(service)
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert len(runs) == len({answer.headers.get("location") for answer in answers} - {None})
    assert sum(run.done for run in runs) == 2
    for name in (LOST, LOST_TOO):
        task = await service.services.store.tasks.task(TaskId(name))
        assert task is not None
        assert task.state is TaskState.REFUSED
    assert len((await service.get("/v1/events")).json()["events"]) == 2


def _multiply(ledger: Path, number: int) -> None:
    """Copies of the one uncertain task, each with an id of its own."""
    with closing(sqlite3.connect(ledger)) as file, file:
        names = [row[1] for row in file.execute("PRAGMA table_info(tasks)")]
        values = ["t.id || n" if name == "id" else f"t.{name}" for name in names]
        file.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {number}) "
            f"INSERT INTO tasks ({', '.join(names)}) SELECT {', '.join(values)} FROM tasks t, c"
        )


async def test_a_filter_that_finds_very_many_is_counted_up_to_a_cap(
    service: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.has(LOST, None)
    _multiply(tmp_path / "ledger.db", 5_000)
    counted: list[int] = []
    number = service.services.store.task_search.number

    async def counting(*given: Any, most: int, **more: Any) -> Any:
        counted.append(most)
        return await number(*given, most=most, **more)

    monkeypatch.setattr(service.services.store.task_search, "number", counting)
    async with visiting(service) as browser:
        page = is_page(await browser.get(ACT))
        assert "1,000 or more" in page
        assert page.count('href="/ops/tasks/tsk_') <= TOUCHED_SHOWN
        assert is_page(await browser.get("/ops/tasks")).count("<tr id=") == ROWS
    assert counted == [COUNTED_MOST]


async def test_words_of_a_provider_and_of_a_caller_are_text_on_every_page(service: Served, tmp_path: Path) -> None:
    hook = "https://hooks.example/a?<script>alert(1)</script>&b=javascript:alert(2)"
    await service.has(notify_url=hook, notify_secret="whsec_dGhlIHNlY3JldCBvZiBhbGwgdGhl", acknowledged=True)
    broken = json.dumps({"taskId": "p1", "status": "fail", "error": {"code": ODD, "message": ODD * 200}})
    await service.calls_back(content=broken.encode() + b"\xff\xfe", headers={"Content-Type": "application/json"})
    error = TaskError(code=ODD.replace("\ud800", ""), message=ODD.replace("\ud800", "") * 15_000)
    await service.services.store.ledger.record([a_report(TaskState.FAILED, error=error, raw=broken.encode() * 20)], 1)
    name = (await create_subscription(service, url=hook, description="<script>alert(1)</script>"))["id"]
    async with visiting(service) as browser:
        pages = {address: is_page(await browser.get(address)) for address in (*PAGES, f"/ops/subscriptions/{name}")}
    for address in ("/ops/tasks/tsk_1", "/ops/subscriptions", f"/ops/subscriptions/{name}"):
        assert "&lt;script&gt;alert" in pages[address], address
    for page in pages.values():
        assert 'href="javascript:' not in page
        assert [each for each in RAW if each in page] == []
        assert len(page) < 400_000


@contextmanager
def _held(ledger: Path) -> Iterator[None]:
    """Another program has the ledger for itself."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _away(ledger: Path) -> Iterator[None]:
    """The folder of the ledger is moved away, as by an unmounted disk."""
    files = [path for path in ledger.parent.glob("ledger.db*") if path.is_file()]
    aside = ledger.parent / "aside"
    aside.mkdir()
    for path in files:
        path.rename(aside / path.name)
    yield
    for path in ledger.parent.glob("ledger.db*"):
        path.unlink()
    for path in aside.iterdir():
        path.rename(ledger.parent / path.name)


FAULTS = {"held": _held, "away": _away}


@asynccontextmanager
async def _faulty(service: Served, ledger: Path, fault: str) -> AsyncIterator[dict[str, list[str]]]:
    form = await _previewed(service)
    await service.services.snapshots.run_once()
    with FAULTS[fault](ledger):
        yield form


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_ledger_that_cannot_be_used_is_said_in_words_and_an_act_is_done_once_it_can(
    service: Served, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with visiting(service) as browser:
        async with _faulty(service, tmp_path / "ledger.db", fault) as form:
            now = is_page(await browser.get("/ops"))
            assert "uncertain" in now.lower()
            scrape = await service.get("/metrics", key="read")
            assert (scrape.status_code, "whenfinal_uncertain_submits" in scrape.text) == (200, True)
            for address in ("/ops/tasks", f"/ops/tasks/{LOST}", *PAGES[4:], ACT):
                page = await browser.get(address)
                assert page.status_code in {200, 503}
                is_page(page, page.status_code)
            refused = await browser.post(ACT, data=form)
            assert "nothing was changed" in is_page(refused, 503)
            assert int(refused.headers["retry-after"]) >= 1
        async with asyncio.timeout(60):
            while (again := await browser.post(ACT, data=form)).status_code == 503:
                await asyncio.sleep(0.1)
        assert again.status_code == 303
        await browser.post(ACT, data=form)
    (run,) = await _all_ended(service)
    assert (run.done, run.failed) == (2, 0)
    assert len((await service.get("/v1/events")).json()["events"]) == 2
    told = capsys.readouterr()
    assert "route=/ops/acts/{kind}" in told.out
    assert "Traceback" not in told.out + told.err

"""The first page: alarms with their cures, what is open, and the figures of a day."""

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from receiver.metrics.snapshot import Open
from receiver.store.accounts import PollPause
from receiver.store.minutes import MINUTE_MS, MinuteKey
from receiver.store.overview import OverviewRepository
from receiver.store.stepped_back import SteppedBack
from receiver.web.dashboard.pages import now
from receiver.webhooks.model.subscription import SubscriptionState
from submitter.model import TaskId, TaskState
from tests.integration.web.dashboard.test_acts import ended, fields_of
from tests.support.builders import a_report
from tests.support.dashboard import SAME_ORIGIN, is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.delivery_fixtures import set_state, subscribe
from tests.support.service import KEYS, Served

FRAGMENT = {**SAME_ORIGIN, "HX-Request": "true"}


def _kinds(page: str) -> list[str]:
    return re.findall(r'<li class="alarm [a-z]+" data-kind="([a-z_]+)"', page)


async def _denied(service: Served, words: str = "401: bad key", until_ms: int = 300_000) -> None:
    now_ms = service.services.clock()
    pause = PollPause(until_ms=now_ms + until_ms, reason="denied", alarm=words)
    await service.services.store.providers.pause("hiapi", pause, now_ms=now_ms)


async def test_an_empty_ledger_is_calm(service: Served) -> None:
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops"))
        assert "Nothing is wrong." in page
        assert _kinds(page) == []
        for title in ("Queued", "Uncertain submits", "Overdue", "Contradicted", "Dead letters"):
            assert title in page


async def test_the_sign_in_leads_to_it_and_it_stands_in_the_navigation(service: Served) -> None:
    async with visiting(service, None) as browser:
        answer = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/ops")
        assert '<a href="/ops" aria-current="page">Now</a>' in is_page(await browser.get("/ops"))


async def test_a_fault_shows_with_what_the_provider_said_and_its_button(service: Served) -> None:
    await _denied(service, f"401: {MARKUP}")
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["denied"]
        assert "hiapi has denied our key for polls" in page
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;" in page
        assert 'action="/ops/acts/resume-provider"' in page
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["denied"]
        assert "/ops/acts/" not in page


async def test_an_uncertain_submit_offers_the_list_of_a_provider_that_gives_one(service: Served) -> None:
    await service.has("tsk_1", None, state=TaskState.UNCERTAIN)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["uncertain"]
        assert "/ops/acts/look-candidates" in page


async def test_a_ledger_that_stepped_back_is_told(service: Served) -> None:
    noticed = SteppedBack(at_ms=service.services.clock(), after_seq=7)
    object.__setattr__(service.services.store, "stepped_back", noticed)  # it is read at the start alone
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["stepped_back"]
        assert "what was stored after event 7 is gone" in page


async def test_what_was_cured_is_gone_from_the_next_look(service: Served) -> None:
    await service.has("tsk_1", None)
    async with visiting(service) as browser:
        assert _kinds(is_page(await browser.get("/ops"))) == ["uncertain"]
        await service.services.operator.refuse(TaskId("tsk_1"), actor="ann")
        taken = service.services.metrics.snapshot
        assert taken is not None
        service.services.metrics.snapshot = replace(taken, at_ms=taken.at_ms - 3_000)
        assert _kinds(is_page(await browser.get("/ops"))) == []


async def test_the_live_part_takes_a_snapshot_that_is_not_old(service: Served) -> None:
    async with visiting(service) as browser:
        is_page(await browser.get("/ops"))
        taken = service.services.metrics.snapshot
        assert taken is not None
        service.services.metrics.snapshot = replace(taken, at_ms=taken.at_ms - 20_000, dead=Open(number=7))
        first = await browser.get("/ops", headers=FRAGMENT)
        assert "7 dead letters" in first.text
        assert "<!doctype" not in first.text
        again = await browser.get("/ops", headers={**FRAGMENT, "If-None-Match": first.headers["etag"]})
        assert again.status_code == 304


async def test_every_number_leads_to_the_list_of_just_these(service: Served) -> None:
    now_ms = service.services.clock()
    await service.has("tsk_1", None)
    await service.has("tsk_2", None, state=TaskState.QUEUED, queued_ms=now_ms)
    await service.has("tsk_3", "p3", deadline_ms=now_ms - 1)
    await service.has("tsk_4", "p4")
    for state in (TaskState.SUCCEEDED, TaskState.FAILED):
        await service.services.store.ledger.record([a_report(state, "p4")], now_ms)
    await service.services.store.ledger.mark_overdue(now_ms, limit=10)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["uncertain", "contradictions", "overdue"]
        for query, name in (
            ("state=uncertain", "tsk_1"),
            ("state=queued", "tsk_2"),
            ("overdue=1", "tsk_3"),
            ("contradicted=1", "tsk_4"),
        ):
            for address in (f"/ops/tasks?{query}", f"/ops/tasks?{query}&amp;provider=hiapi"):
                assert f'href="{address}"' in page
                listed = is_page(await browser.get(address.replace("&amp;", "&")))
                assert re.findall(r'<tr id="([^"]+)"', listed) == [name]


async def test_the_figures_of_a_day_are_those_of_the_counts_by_minute(service: Served) -> None:
    now_ms = service.services.clock()
    minute_ms = now_ms - now_ms % MINUTE_MS
    counts = {
        MinuteKey("whenfinal_tasks_final", minute_ms, "hiapi", "succeeded/callback/true"): 190,
        MinuteKey("whenfinal_tasks_final", minute_ms - 120 * MINUTE_MS, "hiapi", "failed/poll/true"): 10,
        MinuteKey("whenfinal_submits", minute_ms, "hiapi", "accepted"): 201,
        MinuteKey("whenfinal_submits", minute_ms, "hiapi", "refused"): 3,
        MinuteKey("whenfinal_task_duration_seconds", minute_ms, "hiapi", "succeeded/128"): 10,
        MinuteKey("whenfinal_task_duration_seconds", minute_ms, "hiapi", "failed/5"): 90,
    }
    await service.services.store.minutes.add(counts, names=[], now_ms=now_ms)
    async with visiting(service, "read") as browser:
        page = re.sub(r"<[^>]+>|\s+", " ", is_page(await browser.get("/ops")))
        page = re.sub(" +", " ", page)
        assert "hiapi: 200 ends in 24 hours, at most 190 in 15 minutes" in page
        assert "190 by callback , 10 by poll" in page
        assert "201 accepted , 3 refused" in page
        assert "p50 1 min 4 s" in page


async def test_a_ledger_that_does_not_answer_is_waited_for_no_longer_than_that(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_args: object, **_more: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(now, "READ_S", 0.01)
    monkeypatch.setattr(OverviewRepository, "snapshot", hangs)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["snapshot_old"]
        assert "Nothing is known of it yet." in page
        assert is_page(await browser.get("/ops")) == page


async def test_a_ledger_that_cannot_be_read_leaves_the_last_snapshot_in_words(service: Served, tmp_path: Path) -> None:
    await service.has("tsk_1", None)
    async with visiting(service) as browser:
        is_page(await browser.get("/ops"))
        taken = service.services.metrics.snapshot
        assert taken is not None
        service.services.metrics.snapshot = replace(taken, at_ms=taken.at_ms - 3_600_000)
        (moved := tmp_path / "moved").mkdir()
        for each in tmp_path.glob("ledger.db*"):
            shutil.move(each, moved / each.name)
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["snapshot_old", "uncertain"]
        assert "The ledger cannot be read. What stands here is 1 h old." in page
        for each in moved.iterdir():
            shutil.move(each, tmp_path / each.name)


async def test_a_provider_is_resumed_by_the_button_of_its_alarm(service: Served) -> None:
    await _denied(service)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/acts/resume-provider?provider=hiapi"))
        assert "Resume hiapi" in page
        assert "401: bad key" in page
        run = await ended(service, await browser.post("/ops/acts/resume-provider", data=fields_of(page)))
        assert (run.done, run.failed) == (1, 0)
        assert "polls and submits go again" in run.notes[0].words
        assert _kinds(is_page(await browser.get("/ops"))) == []
        again = is_page(await browser.get("/ops/acts/resume-provider?provider=hiapi"))
        assert "It has no pause, no hold of submits and no alarm." in again
        is_page(await browser.get("/ops/acts/resume-provider?provider=gone"), 404)
    (account,) = await service.services.store.accounts.all()
    assert account.alarm is None


async def test_a_subscription_that_is_disabled_is_enabled_by_the_button_of_its_alarm(service: Served) -> None:
    await subscribe(service.services.store, url=f"https://hooks.example/?{MARKUP[:20]}")
    await set_state(service.services.store, SubscriptionState.DISABLED)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops"))
        assert _kinds(page) == ["subscription_disabled"]
        assert "<script>" not in page
        assert 'action="/ops/acts/resume-subscription"' in page
        shown = is_page(await browser.get("/ops/acts/resume-subscription?subscription=sub_1"))
        await ended(service, await browser.post("/ops/acts/resume-subscription", data=fields_of(shown)))
        service.services.metrics.snapshot = None
        assert _kinds(is_page(await browser.get("/ops"))) == []

"""Providers: their health, budget, callbacks, learned times and unknown words, configured or not."""

import re

from receiver.store.accounts import PollPause
from receiver.store.minutes import HOUR_MS, MINUTE_MS, MinuteKey
from submitter.model import TaskState
from tests.support.builders import a_report
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.service import Served


def _words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def _paused(service: Served, provider: str, reason: str = "throttled") -> None:
    now_ms = service.services.clock()
    pause = PollPause(until_ms=now_ms + 300_000, reason=reason, alarm=None)
    await service.services.store.providers.pause(provider, pause, now_ms=now_ms)


async def test_every_configured_provider_stands_in_the_list_and_is_well(service: Served) -> None:
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/providers"))
        for name in service.services.providers:
            assert f'href="/ops/providers/{name}"' in page
            of_one = _words(is_page(await browser.get(f"/ops/providers/{name}")))
            assert " ok " in of_one
            assert "Every unfinished task is in a state that its documents name." in of_one
        assert "not configured" not in page


async def test_a_pause_is_told_with_its_reason_and_ended_by_those_who_may(service: Served) -> None:
    await _paused(service, "hiapi", f"throttled: {MARKUP}")
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/providers/hiapi"))
        assert "It has held back our polls." in page
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;" in page
        assert "/ops/acts/resume-provider" in page
        assert "polls paused" in is_page(await browser.get("/ops/providers"))
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/providers/hiapi"))
        assert "It has held back our polls." in page
        assert "/ops/acts/" not in page
        fields = {"provider": "hiapi", "nonce": "n" * 22, "at": str(service.services.clock())}
        is_page(await browser.post("/ops/acts/resume-provider", data=fields), 403)
    (account,) = await service.services.store.accounts.all()
    assert account.paused_until_ms is not None


async def test_a_provider_that_is_in_the_ledger_alone_has_a_page(service: Served) -> None:
    await service.has("tsk_1", "p1", provider="former")
    await service.has("tsk_2", "p2", provider="ended", state=TaskState.SUCCEEDED, final_ms=1)
    await _paused(service, "paused")
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/providers"))
        for name in ("former", "paused"):
            assert f'href="/ops/providers/{name}"' in page
        assert page.count("not configured") == 2
        for name in ("former", "paused", "ended"):
            of_one = is_page(await browser.get(f"/ops/providers/{name}"))
            assert "It is not configured" in of_one
            assert "/ops/acts/" not in of_one
        is_page(await browser.get("/ops/providers/never"), 404)
        is_page(await browser.get("/ops/providers/%3Cb%3E"), 404)


async def test_a_word_that_no_document_names_stands_with_its_tasks_and_its_setting(service: Served) -> None:
    now_ms = service.services.clock()
    for number, word in enumerate((MARKUP, "resting", "resting", "known later")):
        await service.has(f"tsk_{number}", f"p{number}")
        report = a_report(TaskState.RUNNING, f"p{number}", raw_state=word, is_documented_state=False)
        await service.services.store.ledger.record([report], now_ms)
    await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, "p3")], now_ms)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/providers/hiapi"))
        assert "HIAPI_STATE_WORDS" in page
        assert "<script>alert(1)" not in page
        named = re.findall(r'href="/ops/tasks/(tsk_[0-9])"', page)
        assert sorted(named) == ["tsk_0", "tsk_1", "tsk_2"]
        words = _words(page)
        assert "resting 2" in words
        assert "known later" not in words
        assert "unknown words" in is_page(await browser.get("/ops/providers"))
        assert 'href="/ops/providers/hiapi#words"' in is_page(await browser.get("/ops"))
        assert "resting" not in is_page(await browser.get("/ops/providers/signed"))


async def test_misses_and_the_last_callback_are_those_of_the_counts_by_minute(service: Served) -> None:
    now_ms = service.services.clock()
    minute_ms = now_ms - now_ms % MINUTE_MS
    ends, callbacks = "whenfinal_tasks_final", "whenfinal_callbacks"
    counts = {
        MinuteKey(ends, minute_ms - 5 * MINUTE_MS, "hiapi", "succeeded/callback/true"): 9,
        MinuteKey(ends, minute_ms - 5 * MINUTE_MS, "hiapi", "succeeded/poll/true"): 3,
        MinuteKey(ends, minute_ms - 5 * HOUR_MS, "hiapi", "succeeded/callback/true"): 12,
        MinuteKey(ends, minute_ms, "hiapi", "succeeded/poll/false"): 700,
        MinuteKey(callbacks, minute_ms - 5 * MINUTE_MS, "hiapi", "applied"): 9,
        MinuteKey(callbacks, minute_ms, "hiapi", "rejected"): 9,
        MinuteKey("whenfinal_polls", minute_ms, "hiapi", "single/final"): 4,
        MinuteKey("whenfinal_polls", minute_ms, "hiapi", "list/final"): 5,
    }
    await service.services.store.minutes.add(counts, names=[], now_ms=now_ms)
    async with visiting(service, "read") as browser:
        words = _words(is_page(await browser.get("/ops/providers/hiapi")))
        assert "Missed, 1 h 25% of 12" in words
        assert "Missed, 24 h 12% of 24" in words
        assert "Polls, 24 h 9 ended" in words
        assert "5 min ago" in words
        words = _words(is_page(await browser.get("/ops/providers")))
        assert "25% , 12%" in words


async def test_the_unfinished_of_a_provider_are_the_list_behind_their_number(service: Served) -> None:
    await service.has("tsk_1", "p1")
    await service.has("tsk_2", "p2", state=TaskState.SUCCEEDED, final_ms=1)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/providers/hiapi"))
        found = re.search(r'<dt>Unfinished</dt><dd><a href="([^"]+)"', page)
        assert found is not None
        listed = is_page(await browser.get(found[1].replace("&amp;", "&")))
        assert re.findall(r'<tr id="([^"]+)"', listed) == ["tsk_1"]

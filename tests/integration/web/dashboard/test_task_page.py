"""One task: all that is known of it, its words as text, and its pictures and outputs through us alone."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.store.audit import AuditEntry
from receiver.tasks import media
from submitter.model import Output, TaskId, TaskState
from tests.support.builders import T0, a_report
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP, REQUEST
from tests.support.file_server import MP4, PNG, answering, reply
from tests.support.service import Served, served

AT_TOKENBAY = {"WHENFINAL_PROVIDERS": "hiapi,tokenbay", "TOKENBAY_API_KEY": "key-of-tokenbay"}


async def _with_output(service: Served, url: str, provider: str = "hiapi", **changes: Any) -> None:
    await service.has(request={"video": {"reference_images": [url]}}, provider=provider)
    outputs = (Output(url=url, **changes),)
    await service.services.store.ledger.record([a_report(TaskState.SUCCEEDED, outputs=outputs, provider=provider)], 1)


async def _shown(service: Served, answer: bytes, path: str = "/v.png", **headers: str) -> httpx.Response:
    async with answering(lambda _: answer) as (url, _), visiting(service, "read") as browser:
        await _with_output(service, url + path)
        return await browser.get("/ops/tasks/tsk_1/outputs/0", headers=headers)


async def test_the_page_shows_all_that_is_known_as_text(service: Served) -> None:
    changes: dict[str, Any] = {"labels": {"note": MARKUP}, "model": MARKUP, "notify_url": None}
    await service.has(request={**REQUEST, "labels": {"note": MARKUP}}, **changes)
    report = a_report(TaskState.FAILED, raw=MARKUP.encode() * 2000)
    await service.services.store.ledger.record([report], 1)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/tasks/tsk_1"))
    assert "<script>alert" not in page
    assert "onerror=alert(2)>" not in page
    assert "\x1b" not in page
    assert "characters" in page  # the raw answer is cut, with its length
    assert "the picture was refused" in page
    assert "keeper-7f3a.png" in page
    assert 'src="https://' not in page


async def test_what_came_is_for_operators_and_never_holds_our_secrets(service: Served) -> None:
    await service.has()
    key = service.services.providers["hiapi"].account.api_key
    raw = f'{{"url":"{service.url}{service.callback_path()}","key":"{key}","mark":"as it came"}}'
    await service.services.store.ledger.record([a_report(TaskState.FAILED, raw=raw.encode())], 1)
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/tasks/tsk_1"))
        assert "mark" in page
        assert key not in page
        assert service.callback_path().rpartition("/")[2] not in page
    async with visiting(service, "read") as browser:
        assert "A key with the scope operate sees what came" in is_page(await browser.get("/ops/tasks/tsk_1"))


async def test_a_long_timeline_shows_its_beginning_and_its_end(service: Served) -> None:
    await service.has()
    for number in range(310):
        entry = AuditEntry(actor=f"key k{number:03}", action="looked at", task_id=TaskId("tsk_1"))
        await service.services.store.audit.record(entry, now_ms=T0 + number)
    async with visiting(service, "read") as browser:
        page = is_page(await browser.get("/ops/tasks/tsk_1"))
    before, words, after = page.partition(" lines between are not shown")
    assert words
    left = int(before.rpartition(">")[2])
    shown = [[int(each) for each in re.findall(r"\bk([0-9]{3})\b", part)] for part in (before, after)]
    assert (shown[0][0], shown[1][-1]) == (0, 309)
    assert shown[1][0] - shown[0][-1] - 1 == left


async def test_a_task_that_is_gone_is_said_so(service: Served) -> None:
    async with visiting(service) as browser:
        for path in ("/ops/tasks/tsk_gone", "/ops/tasks/tsk_gone/outputs/0", "/ops/tasks/tsk_gone/pictures/0"):
            assert "no task of that id" in is_page(await browser.get(path), 404)
        await service.has()
        for path in ("outputs/0", "outputs/x", "pictures/0", "pictures/9999"):
            is_page(await browser.get(f"/ops/tasks/tsk_1/{path}"), 404)


async def test_a_file_comes_through_us_in_a_sandbox_and_without_our_headers(service: Served) -> None:
    async with answering(lambda _: reply(Set_Cookie="a=b", X_Odd="1")) as (url, heads), visiting(service) as browser:
        await _with_output(service, f"{url}/v.png")
        for path in ("outputs/0", "pictures/0"):
            answer = await browser.get(f"/ops/tasks/tsk_1/{path}")
            assert (answer.status_code, answer.content) == (200, PNG)
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in answer.headers
            assert "x-odd" not in answer.headers
        saved = await browser.get("/ops/tasks/tsk_1/outputs/0?download=1")
        assert saved.headers["content-disposition"] == 'attachment; filename="tsk_1-video.png"'
    assert len(heads) == 3
    assert not any(b"authorization" in head.lower() or b"cookie" in head.lower() for head in heads)


async def test_a_part_of_a_film_is_asked_for_and_handed_on(service: Served) -> None:
    part = reply(b"abc", "video/mp4", "206 Partial Content", Content_Range="bytes 2-4/10")
    async with answering(lambda _: part) as (url, heads), visiting(service) as browser:
        await _with_output(service, f"{url}/v.mp4")
        answer = await browser.get("/ops/tasks/tsk_1/outputs/0", headers={"Range": "bytes=2-4"})
        await browser.get("/ops/tasks/tsk_1/outputs/0", headers={"Range": "lines=1-2"})
    assert (answer.status_code, answer.content) == (206, b"abc")
    assert answer.headers["content-range"] == "bytes 2-4/10"
    assert b"range: bytes=2-4" in heads[0].lower()
    assert b"\r\nrange:" not in heads[1].lower()


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("text/html", "text/html"),
        ("image/svg+xml", "image/svg+xml"),
        ("application/octet-stream", "application/octet-stream"),
        ("image/png<script>", "no known type"),
        ("", "no known type"),
    ],
)
async def test_nothing_but_pictures_and_films_is_handed_on(service: Served, kind: str, word: str) -> None:
    page = is_page(await _shown(service, reply(b"<script>1</script>", kind)), 502)
    assert f"answers with {word}" in page


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "binary/octet-stream; x=1"])
async def test_a_film_whose_server_does_not_say_what_it_is_is_recognised_by_its_first_bytes(
    service: Served, kind: str
) -> None:
    film = MP4 + b"\0" * 100_000
    answer = await _shown(service, reply(film, kind))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert answer.content == film
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body", [b"", b"<script>1</script>", b'{"a": 1}', b"<svg onload='alert(1)'/>", b"\xff\xfe<\0h\0"]
)
async def test_what_is_no_media_by_its_first_bytes_is_not_handed_on(service: Served, body: bytes) -> None:
    page = is_page(await _shown(service, reply(body, "application/octet-stream")), 502)
    assert "application/octet-stream" in page
    assert "alert(1)" not in page


@pytest.mark.parametrize("body", [MP4, PNG], ids=["film", "picture"])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_what_is_said_to_be_a_page_or_a_document_is_none(service: Served, body: bytes, kind: str) -> None:
    assert "Only pictures" in is_page(await _shown(service, reply(body, kind)), 502)


async def test_a_later_part_of_a_film_without_a_type_is_recognised_by_its_beginning(service: Served) -> None:
    film = MP4 + b"\0" * 1_000

    def answer(head: bytes) -> bytes:
        found = re.search(rb"range: bytes=(\d+)-(\d*)", head.lower())
        assert found is not None
        start, end = int(found[1]), int(found[2] or len(film) - 1)
        part = film[start : end + 1]
        return reply(part, "", "206 Partial Content", Content_Range=f"bytes {start}-{end}/{len(film)}")

    async with answering(answer) as (url, heads), visiting(service) as browser:
        await _with_output(service, f"{url}/v")
        found = await browser.get("/ops/tasks/tsk_1/outputs/0", headers={"Range": "bytes=500-599"})
        begun = await browser.get("/ops/tasks/tsk_1/outputs/0", headers={"Range": "bytes=0-"})
    assert (found.status_code, found.headers["content-type"]) == (206, "video/mp4")
    assert found.content == film[500:600]
    assert (begun.headers["content-type"], begun.content) == ("video/mp4", film)
    assert [re.search(rb"bytes=\S+", head)[0] for head in heads] == [b"bytes=500-599", b"bytes=0-63", b"bytes=0-"]  # type: ignore[index]  # every request has one


async def test_sound_is_played_in_the_page(service: Served) -> None:
    async with answering(lambda _: reply(b"ID3" + b"\0" * 100, "")) as (url, _), visiting(service, "read") as browser:
        await _with_output(service, f"{url}/v.mp3", type="audio")
        page = is_page(await browser.get("/ops/tasks/tsk_1"))
        assert (
            '<audio class="shown" controls preload="none" aria-label="output 1" src="/ops/tasks/tsk_1/outputs/0">'
            in page
        )
        assert (await browser.get("/ops/tasks/tsk_1/outputs/0")).headers["content-type"] == "audio/mpeg"


async def test_a_link_that_has_ended_a_packed_file_and_a_huge_one_are_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 50)
    for number, (answer, word) in enumerate(
        [
            (reply(status="403 Forbidden"), "answers 403"),
            (reply(b"x", Content_Encoding="br"), "packed"),
            (reply(b"x" * 51), "at most 50"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with served(folder) as service:
            assert word in is_page(await _shown(service, answer), 502)


async def test_a_redirect_is_followed_and_every_step_is_guarded(tmp_path: Path) -> None:
    def answer(head: bytes) -> bytes:
        if b"/first" in head:
            return reply(b"", status="302 Found", Location="/second")
        if b"/second" in head:
            return reply()
        return reply(b"", status="302 Found", Location="http://169.254.169.254/secret")

    async with served(tmp_path) as service, answering(answer) as (url, _), visiting(service) as browser:
        await service.has(request={"video": {"reference_images": [f"{url}/first", f"{url}/metadata"]}})
        assert (await browser.get("/ops/tasks/tsk_1/pictures/0")).content == PNG
        page = is_page(await browser.get("/ops/tasks/tsk_1/pictures/1"), 502)
        assert "may not be reached" in page


async def test_an_address_of_this_network_is_not_reached_unless_it_is_allowed(tmp_path: Path) -> None:
    async with (
        answering(lambda _: reply()) as (url, heads),
        served(tmp_path, WHENFINAL_ALLOW_PRIVATE="") as service,
        visiting(service) as browser,
    ):
        await _with_output(service, f"{url}/v.png")
        assert "may not be reached" in is_page(await browser.get("/ops/tasks/tsk_1/outputs/0"), 502)
    assert heads == []


async def test_the_key_goes_to_the_providers_own_host_for_its_outputs_and_never_else(tmp_path: Path) -> None:
    async with answering(lambda _: reply()) as (own, at_own), answering(lambda _: reply()) as (other, at_other):
        settings = {**AT_TOKENBAY, "TOKENBAY_BASE_URL": own}
        async with served(tmp_path, None, **settings) as service, visiting(service) as browser:
            await _with_output(service, f"{own}/v1/videos/p1/content", "tokenbay", needs_key=True)
            for path in ("outputs/0", "pictures/0"):
                assert (await browser.get(f"/ops/tasks/tsk_1/{path}")).content == PNG
        (tmp_path / "2").mkdir()
        async with served(tmp_path / "2", None, **settings) as service, visiting(service) as browser:
            await _with_output(service, f"{other}/v.png", "tokenbay", needs_key=True)
            assert (await browser.get("/ops/tasks/tsk_1/outputs/0")).content == PNG
    assert [b"key-of-tokenbay" in head for head in at_own] == [True, False]
    assert [b"key-of-tokenbay" in head for head in at_other] == [False]


async def test_the_key_does_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    async with answering(lambda _: reply()) as (foreign, at_foreign):
        moved = b"HTTP/1.1 302 Found\r\nlocation: " + foreign.encode() + b"/v.png\r\ncontent-length: 0\r\n\r\n"
        async with (
            answering(lambda _: moved) as (own, _),
            served(tmp_path, None, **AT_TOKENBAY, TOKENBAY_BASE_URL=own) as service,
            visiting(service) as browser,
        ):
            await _with_output(service, f"{own}/v1/videos/p1/content", "tokenbay", needs_key=True)
            assert (await browser.get("/ops/tasks/tsk_1/outputs/0")).content == PNG
    assert [b"key-of-tokenbay" in head for head in at_foreign] == [False]


async def test_an_output_that_needs_the_key_of_a_provider_that_is_not_configured_is_not_fetched(
    service: Served,
) -> None:
    async with answering(lambda _: reply()) as (url, heads), visiting(service) as browser:
        await _with_output(service, f"{url}/v.mp4", "gone", needs_key=True)
        assert "not configured any more" in is_page(await browser.get("/ops/tasks/tsk_1/outputs/0"), 404)
        assert "not configured any more" in is_page(await browser.get("/ops/tasks/tsk_1"))
    assert heads == []


async def test_the_head_alone_is_given_without_fetching_the_file(service: Served) -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 1000000\r\n\r\n" + b"0" * 100
    async with answering(lambda _: endless) as (url, _), visiting(service) as browser:
        await _with_output(service, f"{url}/v.mp4")
        answer = await browser.head("/ops/tasks/tsk_1/outputs/0")
        assert (answer.status_code, answer.headers["content-length"]) == (200, "1000000")


async def test_another_site_may_not_fetch_through_us(service: Served) -> None:
    async with answering(lambda _: reply()) as (url, heads), visiting(service) as browser:
        await _with_output(service, f"{url}/v.png")
        foreign = {"Sec-Fetch-Site": "cross-site"}
        is_page(await browser.get("/ops/tasks/tsk_1/outputs/0", headers=foreign), 403)
    async with visiting(service, None) as browser:
        assert (await browser.get("/ops/tasks/tsk_1/outputs/0")).status_code == 303
    assert heads == []


async def test_only_so_many_files_are_handed_on_at_once(service: Served) -> None:
    service.app.state.media_slots.taken = media.AT_ONCE
    answer = await _shown(service, reply())
    is_page(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


async def test_an_address_that_is_no_address_has_no_link_and_is_not_fetched(service: Served) -> None:
    await _with_output(service, "javascript:alert(1)")
    async with visiting(service) as browser:
        page = is_page(await browser.get("/ops/tasks/tsk_1"))
        assert 'href="javascript' not in page
        assert "javascript:alert(1)" in page
        is_page(await browser.get("/ops/tasks/tsk_1/outputs/0"), 404)

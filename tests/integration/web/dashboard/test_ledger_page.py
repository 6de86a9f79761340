"""The page of the ledger: its place and size, who runs on it, what is missing, and no secret."""

from pathlib import Path

import pytest

from receiver.store.backups import BackupNote
from receiver.store.processes import ProcessRow
from tests.support.dashboard import is_page, visiting
from tests.support.dashboard_ledger import MARKUP
from tests.support.service import HIAPI_SECRET, KEYS, SECRET_KEY, Served, served


async def _page(service: Served, key: str = "read") -> str:
    async with visiting(service, key) as browser:
        return is_page(await browser.get("/ops/ledger"))


async def _runs(service: Served, role: str = "worker", **changes: object) -> None:
    now_ms = service.services.clock()
    values = {"version": "1.2.3", "python": "3.11.9", "host": "a.example", "pid": 7, "started_ms": now_ms}
    row = {"id": f"node-{role}", "role": role, "seen_ms": now_ms, "pruned_ms": None, **values, **changes}
    await service.services.store.processes.seen(ProcessRow(**row))  # type: ignore[arg-type]  # the tests give what fits


async def test_an_empty_ledger_says_what_it_is_and_that_it_has_no_backup(service: Served) -> None:
    page = await _page(service)
    assert "ledger.db" in page
    assert "SQLite 3." in page
    assert "0018_api_keys" in page
    assert "No backup of this ledger was noted" in page
    assert "whenfinal backup FILE" in page
    assert "events 30 days, attempts 30 days, timelines 30 days" in page
    assert "No process has said yet" in page
    assert "/ops/acts/" not in page


async def test_processes_show_with_their_version_and_one_that_is_gone_says_so(service: Served) -> None:
    now_ms = service.services.clock()
    await _runs(service, pruned_ms=now_ms - 60_000)
    await _runs(service, "web", seen_ms=now_ms - 600_000)
    page = await _page(service)
    assert page.count(">runs</span>") == 1
    assert page.count(">not seen</span>") == 1
    assert "a.example" in page
    assert "10 min ago" in page
    assert "not yet by a process" not in page


async def test_without_a_worker_and_with_two_versions_it_says_so(service: Served) -> None:
    await _runs(service, "web")
    page = await _page(service)
    assert "No process polls, delivers or prunes" in page
    await _runs(service, "serve", version="1.2.4")
    page = await _page(service)
    assert "No process polls" not in page
    assert "Processes of several versions" in page


@pytest.mark.parametrize(("age_ms", "is_old"), [(3_600_000, False), (8 * 86_400_000, True)])
async def test_a_backup_shows_its_age_and_place(service: Served, age_ms: int, is_old: bool) -> None:
    note = BackupNote(at_ms=service.services.clock() - age_ms, place=f"/backups/{MARKUP}")
    await service.services.store.backups.note(note)
    page = await _page(service)
    assert "No backup" not in page
    assert ("older than a week" in page) is is_old
    assert ("8 d ago" if is_old else "1 h ago") in page
    assert "<script>alert" not in page


async def test_keys_show_by_name_and_scopes_and_nothing_secret_shows(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        page = await _page(service)
        for name in KEYS:
            assert f'<span class="text">{name}</span>' in page
        assert '<span class="badge busy">you</span>' in page
        secrets = [SECRET_KEY, HIAPI_SECRET, "sim-hiapi-key", "sim-dashscope-key", *(key for _, key in KEYS.values())]
        secrets += [each.sha256.hex() for each in service.services.keyring.keys]
        for secret in secrets:
            assert secret not in page
        assert "WHENFINAL_RECONCILE_CONCURRENCY" in page
        assert "1 set, not shown" in page
        given, _, default = page.partition("settings that are at their defaults")
        assert "hiapi, signed=hiapi, dashscope" in given
        assert "WHENFINAL_LEASE_S" in default
        given, _, default = page.partition("settings that are at their defaults")
        assert "hiapi, signed=hiapi, dashscope" in given
        assert "WHENFINAL_LEASE_S" in default


async def test_created_keys_show_their_limits_their_use_and_their_end(service: Served) -> None:
    wanted = {
        "name": "farm",
        "scopes": ["read"],
        "providers": ["hiapi", "dashscope"],
        "label": "team=<script>alert(1)</script>",
    }
    made = (await service.post("/v1/keys", wanted)).json()
    page = await _page(service)
    row = page[page.index(">farm<") :].partition("</tr>")[0]
    assert "dashscope, hiapi" in row
    assert "team=&lt;" in row
    assert "not yet" in row
    assert "key all" in row
    assert "revoked" not in row
    assert made["key"] not in page
    await service.http.delete(f"/v1/keys/{made['id']}", headers=service.key("all"))
    page = await _page(service)
    assert "revoked" in page[page.index(">farm<") :].partition("</tr>")[0]
    assert "<script>alert" not in page

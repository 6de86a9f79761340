"""`/metrics`: who may read it, in which form, and what it says while the ledger is locked."""

import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from receiver.runtime.services import Services
from receiver.web.metrics import serving_metrics
from submitter.model import TaskState
from tests.support.builders import a_task
from tests.support.service import KEYS, Served, served

READ = {"Authorization": f"Bearer {KEYS['read'][1]}"}


def _gauge(text: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_a_key_that_may_read_gets_the_metrics_and_no_other_does(service: Served) -> None:
    answer = await service.get("/metrics", key="read")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'whenfinal_build_info{database="sqlite"' in answer.text
    assert (await service.get("/metrics", key="submit")).status_code == 403
    assert (await service.http.get("/metrics")).status_code == 401
    wrong = await service.http.get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["type"]) == (401, "urn:whenfinal:problem:unauthenticated")


async def test_a_setting_opens_the_metrics_to_everyone(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_METRICS="open") as service:
        assert (await service.http.get("/metrics")).status_code == 200
        assert (await service.http.get("/v1/tasks")).status_code == 401


async def test_openmetrics_is_answered_to_who_accepts_it(service: Served) -> None:
    answer = await service.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_a_head_a_query_and_another_method_are_answered_without_an_error(service: Served) -> None:
    head = await service.http.head("/metrics", headers=READ)
    assert (head.status_code, head.content) == (200, b"")
    assert (await service.get(f"/metrics?{'a' * 60_000}", key="read")).status_code == 200
    assert (await service.http.post("/metrics", headers=READ)).status_code == 405


async def test_a_scrape_of_a_locked_ledger_shows_the_last_snapshot_and_its_time(
    service: Served, tmp_path: Path
) -> None:
    await service.services.store.submissions.open_task(a_task(state=TaskState.UNCERTAIN), service.services.clock())
    await service.services.snapshots.run_once()
    taken_ms = service.services.clock()
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        text = (await service.get("/metrics", key="read")).text
        other.execute("ROLLBACK")
    assert 'whenfinal_uncertain_submits{provider="hiapi"} 1.0' in text
    assert 0 <= taken_ms / 1000 - _gauge(text, "whenfinal_snapshot_timestamp_seconds") < 60


async def test_a_scrape_runs_no_statement(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a scrape reads memory only")

    monkeypatch.setattr(service.services.store.engine, "read", never)
    monkeypatch.setattr(service.services.store.engine, "write", never)
    assert (await service.get("/metrics", key="read")).status_code == 200


async def test_a_worker_answers_metrics_and_nothing_else(service: Served) -> None:
    services: Services = service.services
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving_metrics(listener, services), httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answers = [
            await http.get("/metrics", headers=READ),
            await http.head("/metrics", headers=READ),
            await http.get("/metrics"),
            await http.get("/metrics", headers={"Authorization": f"Bearer {KEYS['submit'][1]}"}),
            await http.get("/v1/tasks", headers=READ),
            await http.post("/metrics", headers=READ),
        ]
    assert [each.status_code for each in answers] == [200, 200, 401, 403, 404, 405]
    assert {each.headers["content-type"] for each in answers[2:]} == {"application/problem+json"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
async def test_promtool_has_nothing_to_say_about_the_metrics(service: Served) -> None:
    await service.has()
    assert (await service.calls_back()).status_code == 204
    await service.services.snapshots.run_once()
    text = (await service.get("/metrics", key="read")).text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")

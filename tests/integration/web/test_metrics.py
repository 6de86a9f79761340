"""`/metrics`: who may read it, in which form, and what it says while the ledger is locked."""

import asyncio
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from receiver.runtime.background import working
from receiver.runtime.services import Services
from receiver.runtime.wiring import open_services
from receiver.web.metrics import serving_metrics
from submitter.model import TaskState
from submitter.simulator import SimulatorConfig, running
from tests.support.builders import a_task
from tests.support.raw_server import reply, replying, serving
from tests.support.service import KEYS, Served, a_callback_body, served

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


async def test_a_worker_takes_a_new_key_and_refuses_a_revoked_one_soon(service: Served) -> None:
    """A scrape does not look a key up, so it is the worker that reads them again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
    async with (
        open_services(service.services.settings) as worker,
        serving_metrics(listener, worker),
        httpx.AsyncClient(trust_env=False) as http,
    ):

        async def answers(key: str, status: int) -> None:
            async with asyncio.timeout(60):
                while (await http.get(url, headers={"Authorization": f"Bearer {key}"})).status_code != status:
                    await asyncio.sleep(0.05)

        made = (await service.post("/v1/keys", {"name": "scrape", "scopes": ["read"]})).json()
        await answers(made["key"], 200)
        await service.http.delete(f"/v1/keys/{made['id']}", headers=service.key("all"))
        await answers(made["key"], 401)


def _series(text: str, name: str) -> dict[str, float]:
    """The values of one metric, by the text of its labels."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(f"{name}{{"))
    return {labels.removeprefix(name): float(value) for labels, _, value in lines}


async def test_each_callback_is_counted_by_what_became_of_it(service: Served) -> None:
    await service.has()
    for _ in range(2):
        await service.calls_back()
    await service.calls_back(json=a_callback_body("failed"))
    await service.has("tsk_2", "p2")
    await service.calls_back(service.callback_path("tsk_2"), json=a_callback_body("running", "p2"))
    for path in ("/callbacks/hiapi/forged", "/callbacks/nobody/forged", "/callbacks/hiapi//forged"):
        await service.calls_back(path)
    text = (await service.get("/metrics", key="read")).text
    counts = _series(text, "whenfinal_callbacks_total")
    assert {labels: count for labels, count in counts.items() if count} == {
        '{provider="hiapi",verdict="applied"}': 2,
        '{provider="hiapi",verdict="duplicate"}': 1,
        '{provider="hiapi",verdict="contradiction"}': 1,
        '{provider="hiapi",verdict="rejected"}': 2,
        '{provider="other",verdict="rejected"}': 1,
    }
    assert _gauge(text, "whenfinal_callback_duration_seconds_count") == 4
    assert _gauge(text, "whenfinal_commit_batch_size_sum") == 4
    assert _gauge(text, "whenfinal_commit_duration_seconds_count") == 4
    ends = _series(text, "whenfinal_tasks_final_total")
    assert {labels: count for labels, count in ends.items() if count} == {
        '{by="callback",callback_expected="false",provider="hiapi",state="succeeded"}': 1
    }


async def test_each_request_is_timed_by_method_route_and_status_and_never_by_its_path(service: Served) -> None:
    await service.has()
    await service.calls_back()
    await service.get("/v1/tasks/tsk_1")
    await service.get("/v1/tasks/tsk_none")
    await service.http.get("/nothing/here")
    await service.http.put("/v1/tasks")
    text = (await service.get("/metrics", key="read")).text
    found = _series(text, "http_server_request_duration_seconds_count")
    labels = '{{http_request_method="{}",http_response_status_code="{}",http_route="{}"}}'
    for method, status, route in (
        ("POST", 204, "/callbacks/{provider}/{token}"),
        ("GET", 200, "/v1/tasks/{id}"),
        ("GET", 404, "/v1/tasks/{id}"),
        ("GET", 404, "-"),
        ("other", 405, "-"),
    ):
        assert found[labels.format(method, status, route)] == 1, (method, route)
    assert "tsk_" not in text


async def _metrics_after_a_delivered_end(folder: Path) -> str:
    """Of a service that has submitted, polled and delivered."""
    async with (
        running(SimulatorConfig(speed=600.0)) as sim,
        served(folder, sim, WHENFINAL_PROVIDER_SPEED="600") as service,
        serving(replying(reply())) as hook,
        working(service.services),
    ):
        video = {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}
        order = {"provider": "dashscope", "video": video, "notify": {"url": hook.url}}
        task = (await service.post("/v1/tasks", order)).json()
        ended = (await service.get(f"/v1/tasks/{task['id']}?wait=30")).json()
        assert ended["state"] == "succeeded"
        attempts = service.services.metrics.count("whenfinal_delivery_attempts", "delivered", "2xx")
        async with asyncio.timeout(60):
            while not attempts.value:
                await asyncio.sleep(0.01)
        await service.has()
        assert (await service.calls_back()).status_code == 204
        await service.services.snapshots.run_once()
        return (await service.get("/metrics", key="read")).text


async def test_submits_polls_and_webhooks_are_counted(tmp_path: Path) -> None:
    text = await _metrics_after_a_delivered_end(tmp_path)
    assert _series(text, "whenfinal_submits_total")['{outcome="accepted",provider="dashscope"}'] == 1
    assert _gauge_of(text, "whenfinal_submit_duration_seconds_count") == 1
    polls = _series(text, "whenfinal_polls_total")
    assert polls['{kind="single",outcome="final",provider="dashscope"}'] == 1
    assert _gauge_of(text, "whenfinal_poll_duration_seconds_count") >= 1
    assert sum(_series(text, "whenfinal_tasks_final_total").values()) == 2
    assert _gauge_of(text, "whenfinal_task_duration_seconds_count") == 1  # of the one whose submit is known
    assert _series(text, "whenfinal_delivery_connections_total")['{reused="false"}'] >= 1
    assert 'tick_last_success_timestamp_seconds{tick="deliver"}' in text


def _gauge_of(text: str, name: str) -> float:
    return sum(_series(text, name).values())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")
async def test_promtool_has_nothing_to_say_about_the_metrics_of_a_busy_service(tmp_path: Path) -> None:
    text = await _metrics_after_a_delivered_end(tmp_path)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")

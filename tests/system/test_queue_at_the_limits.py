"""A thousand tasks in one file, for an account that takes ten at once: all are sent as fast as the account allows."""

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from receiver.cli.demo.processes import free_ports
from submitter.simulator.config import DOCUMENTED_LIMITS
from tests.support.cli import API_KEYS, TIMEOUT_S, Cli, read_settings

SPEED = 200  # a task of two minutes takes 0.6 s, so the thousand take a minute at ten at once
TASKS = 1000
OTHERS = 20  # of another account, at the end of the file
LONGEST = 1.15  # times what the limits of the account allow

HIAPI = {"model": "happyhorse-1.1/text-to-video"}
DASHSCOPE = {"model": "happyhorse-1.1-t2v"}


def _lines() -> str:
    wanted = [("hiapi", HIAPI | {"prompt": f"horse number {number}"}) for number in range(TASKS)]
    wanted += [("dashscope", DASHSCOPE | {"prompt": f"fox number {number}"}) for number in range(OTHERS)]
    return "\n".join(json.dumps({"provider": provider, "video": video}) for provider, video in wanted)


def _until_ended(path: Path) -> Counter[str]:
    """The tasks of HiAPI by state, when none is unfinished."""
    until = time.monotonic() + 2 * TIMEOUT_S
    while True:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            found = Counter(
                dict(ledger.execute("SELECT state, COUNT(*) FROM tasks WHERE provider = 'hiapi' GROUP BY 1"))
            )
        if not found.keys() - {"succeeded", "failed", "refused", "canceled", "expired"}:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.5)


def _least_s(tasks: list[dict[str, Any]]) -> float:
    """The shortest time in which the account's own limits let these tasks be done, in real seconds."""
    limit = DOCUMENTED_LIMITS["hiapi"]
    assert limit.concurrent is not None
    assert limit.requests is not None
    by_places: float = sum(task["final_ms"] - task["created_ms"] for task in tasks) / 1000 / limit.concurrent
    by_rate = (len(tasks) - limit.requests) / limit.requests * limit.window_s / SPEED
    return max(by_places, by_rate)


def _slowdown(pid: int) -> float:
    """How many times as long as on a free processor a process took for its work, because others had the processors."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    times = [[int(word) for word in thread.read_text().split()] for thread in threads]
    ran, waited = (sum(each[at] for each in times) for at in (0, 1))
    return (ran + waited) / ran if ran else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The file, submitted beside a running service, until nothing of HiAPI is unfinished."""

    queued: int
    ends: Counter[str]
    slowdown: float
    #: The simulator's own records.
    books: Any

    def tasks(self, platform: str) -> list[dict[str, Any]]:
        return [task for task in self.books["tasks"] if task["platform"] == platform]


def _run(cli: Cli) -> _Run:
    (port,) = free_ports(1)
    with cli.running("simulate", "--port", "0", "--speed", str(SPEED)) as simulator:
        settings = read_settings(simulator) | {"WHENFINAL_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        node = cli.with_settings(**settings, WHENFINAL_API_KEYS=API_KEYS)
        (node.folder / "thousand.jsonl").write_text(_lines())
        with node.running("serve", "--port", str(port)) as server:
            assert server.url
            submitted = node.run("submit", "thousand.jsonl", "--json")
            assert (submitted.status, submitted.err) == (0, "")
            ends = _until_ended(node.folder / "whenfinal.db")
            slowdown = _slowdown(server.popen.pid)
        origin = settings["HIAPI_BASE_URL"].removesuffix("/hiapi")
        books = httpx.get(f"{origin}/_simulator/books", trust_env=False, timeout=60).json()
    queued = sum(value["state"] == "queued" for value in submitted.values)
    return _Run(queued=queued, ends=ends, slowdown=slowdown, books=books)


def test_a_thousand_tasks_in_one_file_are_done_as_fast_as_the_account_allows(cli: Cli) -> None:
    run = _run(cli)
    assert run.queued > TASKS / 2
    assert run.ends == {"succeeded": TASKS}
    assert (run.books["refused"], run.books["throttled"]) == ([], [])
    tasks, others = run.tasks("hiapi"), run.tasks("dashscope")
    paid = Counter(task["body"]["input"]["prompt"] for task in tasks)
    assert (len(paid), set(paid.values())) == (TASKS, {1})
    took_s = (max(task["final_ms"] for task in tasks) - min(task["created_ms"] for task in tasks)) / 1000
    least_s = _least_s(tasks)
    assert took_s >= least_s  # or the bound is none
    assert least_s + (took_s - least_s) / run.slowdown <= LONGEST * least_s, (took_s, least_s, run.slowdown)
    # The other account's tasks were behind all of these in the file, and none of them waited for them.
    last_ms = max(task["created_ms"] for task in others)
    assert len(others) == OTHERS
    assert sum(task["created_ms"] < last_ms for task in tasks) < TASKS * 0.9

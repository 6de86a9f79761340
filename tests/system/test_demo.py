"""`whenfinal demo` as a person runs it: real processes, real sockets, faults, and a power cut in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.cli.demo.scenario import BURST, BURST_PROVIDER, FAULTS
from receiver.cli.demo.shown import EARLY_S

WHENFINAL = Path(sys.executable).parent / "whenfinal"
ORIGIN = re.compile(r"http://127\.0\.0\.1:[0-9]+")
ZEROS = "lost 0, doubled 0, paid twice 0"
WRONG, INTERRUPTED = 1, 130
WANTED = [len(table) + BURST * (provider == BURST_PROVIDER) for provider, table in FAULTS.items()]


class Run:
    """A demo under way. Its stderr is read all the time, so that it never blocks."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self, words: str) -> str:
        """The first line of stderr with these words; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._found(words) is not None or self._is_over())
        found = self._found(words)
        assert found is not None, self.lines
        return found

    def result(self) -> dict[str, Any]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, self.end()
        result: dict[str, Any] = json.loads(line)
        return result

    def end(self, number: int | None = None) -> int:
        """Its exit status, after all its output."""
        if number is not None:
            self.popen.send_signal(number)
        status = self.popen.wait()
        self._reader.join()
        return status

    def _found(self, words: str) -> str | None:
        return next((line for line in self.lines if words in line), None)

    def _is_over(self) -> bool:
        return not self._reader.is_alive() or self.popen.poll() is not None

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def _demo(folder: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> Iterator[Run]:
    # Keys of real accounts must neither be used nor stop the demo.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "HIAPI_API_KEY": "real"}
    command = [*launcher, str(WHENFINAL), "demo", "--json", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True) as popen:
        try:
            yield Run(popen)
        finally:
            popen.terminate()


def _origins(run: Run) -> list[str]:
    """Of the simulator and of the receiver."""
    return ORIGIN.findall(run.line("starting the simulator"))


def _is_gone(origin: str) -> bool:
    try:
        httpx.get(origin, timeout=60)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        pass  # a process that is ending drops the connections it has accepted
    return False


def _pid_of(port: str) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_bytes().split(b"\0")
            if b"--port" in words and port.encode() in words:
                return int(entry.parent.name)
    pytest.fail(f"no process has --port {port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingDemo:
    """A demo that has ended and still serves."""

    run: Run
    result: dict[str, Any]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingDemo]:
    with _demo(tmp_path_factory.mktemp("serving"), "--keep") as run:
        yield ServingDemo(run=run, result=run.result())


def test_the_demo_loses_doubles_and_pays_twice_nothing(serving: ServingDemo) -> None:
    assert serving.result["verdict"] == ZEROS, serving.result
    assert serving.result["remarks"] == []
    rows = serving.result["providers"]
    assert [row["submitted"] for row in rows] == WANTED
    for row, wanted in zip(rows, WANTED, strict=True):
        assert row["succeeded"] + row["failed"] == row["events"] == row["webhooks"] == wanted


def test_each_channel_brings_what_it_is_for_and_nothing_else(serving: ServingDemo) -> None:
    rows = serving.result["providers"]
    assert [row["streamed"] for row in rows] == WANTED
    assert [row["failures"] for row in rows] == [row["failed"] for row in rows]
    assert all(row["failures"] > 0 for row in rows)
    assert {row["provider"]: row["notified"] for row in rows if row["notified"]} == {"tokenbay": 12}
    assert serving.result["unwanted"] == []


def test_retries_signatures_and_the_resumed_stream_are_shown(serving: ServingDemo) -> None:
    shown = serving.result["shown"]
    assert shown["retried_s"] > 0
    assert shown["waited_s"] >= shown["retry_after_s"] - EARLY_S
    assert shown["asymmetric"] >= sum(
        WANTED
    )  # each of them with ed25519 and CloudEvents attributes, or it would be a remark
    assert shown["overlapping"] > 0
    assert shown["resumed_at"] >= sum(WANTED) // 3  # events of other types take numbers as well
    assert shown["faults"] == {}
    assert "rotated the secret" in serving.run.line("rotated")


def test_every_promised_fault_is_met(serving: ServingDemo) -> None:
    callbacks = {"callback_lost", "callback_duplicated", "callback_early", "callback_contradicting"}
    others = {"reply_lost", "fail", "unknown_state", "query_500", "submit refused (rate)"}
    assert callbacks | others <= set(serving.result["troubles"])
    assert len(serving.result["contradictions"]) == 2


def test_tasks_end_by_callback_where_there_is_one_and_by_polling(serving: ServingDemo) -> None:
    hiapi, *others = serving.result["providers"]
    assert hiapi["by_callback"] > 0 < hiapi["by_polling"]
    assert [row["by_polling"] for row in others[:4]] == [12] * 4  # those that never call back


def test_the_operator_settles_both_what_was_made_and_what_was_not(serving: ServingDemo) -> None:
    settled = [line for line in serving.run.lines if "tasks settle" in line]
    assert any("--task-id" in line for line in settled)
    assert any("--refused" in line for line in settled)


def test_a_burst_over_the_providers_limits_waits_in_the_queue_and_none_of_it_is_refused(serving: ServingDemo) -> None:
    assert serving.result["shown"]["queued"] > 0
    assert serving.result["lost"] == []


def test_odd_replies_of_gateways_are_met_and_change_nothing(serving: ServingDemo) -> None:
    met = {"receipt_with_error", "receipt_cut", "two_ids", "other_word", "query_403", "query_no_task"}
    assert met | {"reply_upstream_error", "result_late", "reason_elsewhere"} <= set(serving.result["troubles"])
    assert serving.result["disagreeing"] == []


def test_a_wrong_settle_is_put_right(serving: ServingDemo) -> None:
    assert serving.result["shown"]["corrected"] is True
    assert "it has its own now" in serving.run.line("had another task's id")


def test_with_keep_the_demo_serves_until_it_is_stopped(serving: ServingDemo) -> None:
    key = serving.run.line("serving http").split("key ")[1].split()[0]
    _, receiver = _origins(serving.run)
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{receiver}/v1/tasks", headers=headers, timeout=60).status_code == 200
    assert f"the dashboard is at {receiver}/ops: " in serving.run.line("/ops")
    with httpx.Client(base_url=receiver, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as browser:
        assert browser.post("/ops/sign-in", data={"key": key}).headers["location"] == "/ops"
        assert "happyhorse" in browser.get("/ops/tasks").text
    assert f"{receiver}/v1/subscriptions" in serving.run.line("/v1/subscriptions")
    subscriptions = httpx.get(f"{receiver}/v1/subscriptions", headers=headers, timeout=60).json()["subscriptions"]
    assert {each["description"] for each in subscriptions} == {"everything", "failures"}
    assert serving.run.end(signal.SIGINT) == INTERRUPTED
    assert _is_gone(receiver)


def test_a_receiver_killed_in_the_middle_and_started_again_comes_to_the_same_end(tmp_path: Path) -> None:
    with _demo(tmp_path, "--kill-at", "15", "--seed", "3") as run:
        result = run.result()
        assert run.end() == 0, (result, run.lines)
    assert result["verdict"] == ZEROS
    assert sum(row["webhooks"] for row in result["providers"]) == sum(WANTED)
    assert sum(row["streamed"] for row in result["providers"]) == sum(WANTED)
    assert result["shown"]["resumed_at"] >= sum(WANTED) // 3
    assert any("killed the receiver" in line for line in run.lines)


@pytest.mark.parametrize(("place", "name"), [(0, "simulator"), (1, "receiver")])
def test_a_process_of_the_demo_that_dies_ends_it_at_once_with_its_log(tmp_path: Path, place: int, name: str) -> None:
    with _demo(tmp_path) as run:
        run.line(f"submitted 0/{sum(WANTED)}")
        origins = _origins(run)
        os.kill(_pid_of(origins[place].rpartition(":")[2]), signal.SIGKILL)
        assert run.end() == WRONG
    assert f"the {name} ended with status -9; the last lines of its log:" in "".join(run.lines)
    assert "Traceback" not in "".join(run.lines)
    assert all(_is_gone(origin) for origin in origins)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_no_process_and_no_file(tmp_path: Path, number: int) -> None:
    with _demo(tmp_path) as run:
        run.line(f"submitted 0/{sum(WANTED)}")
        origins = _origins(run)
        assert run.end(number) == INTERRUPTED
    assert run.lines[-1] == "whenfinal: interrupted\n"
    assert all(_is_gone(origin) for origin in origins)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    with _demo(tmp_path, launcher=("nohup",)) as run:
        run.line(f"submitted 0/{sum(WANTED)}")
        run.popen.send_signal(signal.SIGHUP)
        run.line("operator: ")
        assert run.popen.poll() is None
        assert run.end(signal.SIGTERM) == INTERRUPTED


def test_a_demo_that_is_killed_takes_its_processes_with_it(tmp_path: Path) -> None:
    with _demo(tmp_path) as run:
        run.line(f"submitted 0/{sum(WANTED)}")
        origins = _origins(run)
        assert not any(_is_gone(origin) for origin in origins)
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
        last = time.monotonic() + 60
        while not all(_is_gone(origin) for origin in origins):
            assert time.monotonic() < last
            time.sleep(0.05)

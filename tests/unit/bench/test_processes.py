"""Processes of the bench are kept on their cores, measured and ended."""

import os
import sys
from pathlib import Path

import pytest

from tests.bench.case import BenchFailed
from tests.bench.processes import Stopwatch, cores, cpu_s_of, free_ports, pinned, split, started

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
#: Is busy itself, in a child that ends and in one that stays; then says so and waits.
PARENT = f"""
import subprocess, sys
busy = {BUSY!r}
subprocess.run([sys.executable, "-c", busy], check=True)
child = subprocess.Popen([sys.executable, "-c", busy + "print(flush=True)\\ninput()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
exec(busy)
print("done", flush=True)
input()
child.communicate(b"\\n")
"""


def test_the_last_core_is_for_the_server_and_the_others_for_the_load() -> None:
    apart = split({0, 1, 2, 5})
    assert (apart.server, apart.load, apart.loads) == (frozenset({5}), frozenset({0, 1, 2}), 3)
    assert apart.left_out == ()


def test_one_core_is_shared_and_the_bench_says_so() -> None:
    apart = split({3})
    assert (apart.server, apart.load, apart.loads) == (None, None, 1)
    assert "one core" in apart.left_out[0]


def test_a_system_that_pins_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert "pins no process" in cores().left_out[0]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_a_pin_ends_with_its_block() -> None:
    before = os.sched_getaffinity(0)
    with pinned(frozenset({min(before)})):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


@NEEDS_PROC
def test_processor_time_is_that_of_a_process_and_of_all_that_it_started() -> None:
    with started([sys.executable, "-c", PARENT], {}, pipes=True) as process:
        process.read()
        used_s = cpu_s_of(process.pid)
    assert used_s is not None
    assert used_s >= 0.85  # three times 0.3, in ticks


@NEEDS_PROC
def test_a_stopwatch_counts_from_its_start() -> None:
    with started([sys.executable, "-c", BUSY + "print(flush=True)\ninput()"], {}, pipes=True) as process:
        process.read()
        wall_s, cpu_s = Stopwatch([process.pid]).stop()
    assert wall_s >= 0
    assert cpu_s is not None
    assert cpu_s <= 0.1


def test_a_process_ends_with_its_block() -> None:
    with started([sys.executable, "-c", "input()"], {}, pipes=True) as process:
        assert process.popen.poll() is None
    assert process.popen.returncode is not None


def test_a_server_that_does_not_start_is_told_with_its_words() -> None:
    with (
        pytest.raises(BenchFailed, match="no such thing"),
        started([sys.executable, "-c", "import sys; sys.exit('no such thing')"], {}, port=free_ports(1)[0]),
    ):
        pass


def test_a_process_that_ended_too_early_is_told() -> None:
    with started([sys.executable, "-c", ""], {}, pipes=True) as process, pytest.raises(BenchFailed, match="ended"):
        process.read()


def test_processor_time_of_a_process_that_has_ended_is_none_of_ours() -> None:
    with started([sys.executable, "-c", ""], {}) as process:
        process.popen.wait()
    assert cpu_s_of(process.pid) in (0, None)

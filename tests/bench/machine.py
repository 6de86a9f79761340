"""What a run of the bench was measured on."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.processes import cores

SYNCS = 50


def machine() -> dict[str, Any]:
    """`load`: processes that wanted a core in the minute before. `sync_ms`: median of a write of 4 KiB to the disk."""
    apart = cores()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "server_on_a_core_of_its_own": apart.server is not None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "sync_ms": round(_sync_ms(), 3),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _sync_ms() -> float:
    times = []
    with tempfile.NamedTemporaryFile(prefix="whenfinal-bench-") as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            started_s = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(times)


def told(facts: dict[str, Any]) -> str:
    """The same in a sentence."""
    return (
        f"{facts['date']}: {facts['processor']}, cores: {facts['cores']}, {facts['system']}; Python {facts['python']},"
        f" SQLite {facts['sqlite']}; 4 KiB reach the disk in {facts['sync_ms']} ms; load before: {facts['load']}"
    )

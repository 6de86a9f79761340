"""Runs of the bench that the documentation shows, and their table.

`tests/bench/runs/NAME.json` is what `scripts/bench --json` printed; no figure of the page is written by a person.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.machine import told
from tests.bench.report import short

FOLDER = Path(__file__).parent / "runs"
_WORDS = {True: "met", False: "**missed**", None: ""}
_NONE = "–"

Run = Mapping[str, Any]


def runs() -> dict[str, Run]:
    """By name, in the order of their dates."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: item[1]["machine"]["date"]))


def measurements(of: Mapping[str, Run]) -> str:
    """The machine of each run, the checks of all side by side, and the arms of the last."""
    if not of:
        return "No run has been stored."
    lines = [f"- {name}{' (quick)' if run['is_quick'] else ''}: {told(run['machine'])}" for name, run in of.items()]
    last = list(of.values())[-1]
    lines += [f"- {name} left out {each}" for name, run in of.items() for each in left_out(run)]
    return "\n".join([*lines, "", *_checks(of), "", *_arms(last)])


def _checks(of: Mapping[str, Run]) -> list[str]:
    """A row for each check of any run."""
    head = f"| case | measured | target | {' | '.join(of)} |"
    rows = {}
    for run in of.values():
        for case in run["cases"]:
            for check in case["checks"]:
                rows[case["name"], check["what"]] = check["target"] or _NONE
    lines = [head, "| --- " * (3 + len(of)) + "|"]
    for (case, what), target in rows.items():
        cells = [_measured(run, case, what) for run in of.values()]
        lines.append(f"| {case} | {what} | {target} | {' | '.join(cells)} |")
    return lines


def _measured(run: Run, case: str, what: str) -> str:
    for each in run["cases"]:
        for check in each["checks"]:
            if (each["name"], check["what"]) == (case, what):
                return f"{check['measured']} {_WORDS[check['is_met']]}".strip()
        if each["name"] == case and each["why"]:
            return f"{each['result']}: {each['why']}"
    return _NONE


def _arms(run: Run) -> list[str]:
    """Medians of the rounds, and their spread."""
    lines = ["| case | arm | per s | lowest to highest | µs of processor each | p50 ms | p99 ms |", "| --- " * 7 + "|"]
    for case in run["cases"]:
        for arm in case["arms"]:
            spread = f"{short(arm['lowest_per_s'])} to {short(arm['highest_per_s'])}"
            numbers = [short(arm["per_s"]), spread, *(short(arm[name]) for name in ("cpu_us", "p50_ms", "p99_ms"))]
            lines.append(f"| {case['name']} | {arm['name']} | {' | '.join(numbers)} |")
    return lines


def left_out(run: Run) -> Sequence[str]:
    """What a run could not measure."""
    return [f"{each} ({case['name']})" for case in run["cases"] for each in case["left_out"]]

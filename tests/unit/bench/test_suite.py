"""The bench runs its cases, whatever one of them does, and tells what came of each."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.bench import __main__ as bench
from tests.bench.case import Arm, BenchFailed, CannotMeasure, Case, Check, Found, Options, Round, by_turns
from tests.bench.checks import at_least, at_most, shown
from tests.bench.measurements import measurements
from tests.bench.report import WIDTH, short, tables, values
from tests.bench.suite import Outcome, Result, run
from tests.docs.pages import DOCS

OPTIONS = Options(is_quick=True, say=lambda _: None, on_round=lambda: None)


def _case(name: str, *checks: Check, raises: Exception | None = None) -> Case:
    def measure(options: Options) -> Found:
        if raises:
            raise raises
        rounds = [Round(items=100, wall_s=wall_s, cpu_s=0.01, latencies_ms=[1.0, 2.0, 30.0]) for wall_s in (0.1, 0.2)]
        return Found(
            arms=[Arm(name="an arm with a name that is rather long for its column", rounds=rounds)],
            checks=checks,
            left_out=["a second core: there is none"],
        )

    return Case(name=name, title="what is measured, told at such length that one line cannot hold it", measure=measure)


GOOD = _case("good", at_least("of no-op", 0.31, 0.30), at_most("p99", 12.345, 20, "ms"), shown("busy", 0.5))
BAD = _case("bad", at_least("of no-op at so many connections that this line is folded as well", 0.29, 0.30))
ABSENT = _case("absent", raises=CannotMeasure("there is no Postgres"))
BROKEN = _case("broken", raises=BenchFailed("a callback was lost"))
FAULTY = _case("faulty", raises=KeyError("x"))


def _run(monkeypatch: pytest.MonkeyPatch, cases: Sequence[Case], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(bench, "CASES", cases)
    monkeypatch.setattr(bench, "BY_NAME", {case.name: case for case in cases})
    monkeypatch.setattr(bench, "machine", lambda: MACHINE)
    ran = CliRunner().invoke(bench.app, arguments)
    return ran.exit_code, ran.stdout


MACHINE: dict[str, Any] = {
    "date": "2026-01-01 00:00 UTC",
    "processor": "one",
    "cores": 2,
    "system": "Linux",
    "python": "3.11",
    "sqlite": "3",
    "load": 0.1,
    "sync_ms": 0.5,
}


@pytest.mark.parametrize(
    ("case", "result", "good"),
    [
        (GOOD, Result.MEASURED, True),
        (BAD, Result.MEASURED, False),
        (ABSENT, Result.LEFT_OUT, True),
        (BROKEN, Result.FAILED, False),
        (FAULTY, Result.FAILED, False),
    ],
    ids=lambda value: value.name if isinstance(value, Case) else str(value),
)
def test_whatever_a_case_does_is_its_outcome(case: Case, result: Result, good: bool) -> None:
    outcome = run(case, OPTIONS)
    assert (outcome.result, outcome.is_good) == (result, good)


def test_an_unforeseen_fault_is_named_with_its_place() -> None:
    assert run(FAULTY, OPTIONS).why.startswith("test_suite.py:")


@pytest.mark.parametrize(
    ("cases", "status"), [((GOOD,), 0), ((GOOD, ABSENT), 0), ((BAD, GOOD), 1), ((BROKEN, GOOD), 1)]
)
def test_the_exit_status_tells_whether_a_target_was_missed(
    monkeypatch: pytest.MonkeyPatch, cases: Sequence[Case], status: int
) -> None:
    assert _run(monkeypatch, cases)[0] == status


def test_a_case_that_is_not_there_and_an_old_subcommand_are_errors_of_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, (GOOD,), "--only", "gold")[0] == 2
    assert _run(monkeypatch, (GOOD,), "good")[0] == 2


def test_only_the_named_cases_run_in_the_order_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    _, printed = _run(monkeypatch, (GOOD, BAD, ABSENT), "--only", "absent", "--only", "good", "--json")
    assert [case["name"] for case in json.loads(printed)["cases"]] == ["good", "absent"]


def test_the_list_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed = _run(monkeypatch, (BROKEN,), "--list")
    assert (status, printed.split()[0]) == (0, "broken")


def test_values_hold_every_round_every_check_and_what_was_left_out() -> None:
    (case,) = values(MACHINE, [run(GOOD, OPTIONS)], is_quick=True, took_s=1.0)["cases"]
    (arm,) = case["arms"]
    assert (arm["per_s"], arm["lowest_per_s"], arm["highest_per_s"], arm["cpu_us"]) == (750, 500, 1000, 100)
    assert [each["items"] for each in arm["rounds"]] == [100, 100]
    assert [each["is_met"] for each in case["checks"]] == [True, True, None]
    assert case["left_out"] == ["a second core: there is none"]


@pytest.mark.parametrize("case", [GOOD, BAD, ABSENT, BROKEN], ids=lambda case: case.name)
def test_no_line_of_a_table_is_wider_than_a_terminal(case: Case) -> None:
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(tables(run(case, OPTIONS)))
    assert max(map(len, out.getvalue().splitlines())) <= WIDTH


@pytest.mark.parametrize(
    ("number", "text"), [(None, "–"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (12345.6, "12,346")]
)
def test_a_number_is_as_short_as_it_may_be(number: float | None, text: str) -> None:
    assert short(number) == text


def test_arms_are_measured_forwards_and_backwards() -> None:
    order: list[str] = []

    def measured(name: str) -> Round:
        order.append(name)
        return Round(items=1, wall_s=1.0)

    arms = [(Arm(name=name), lambda name=name: measured(name)) for name in "ab"]
    by_turns(arms, rounds=3, on_round=lambda: None)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [len(arm.rounds) for arm, _ in arms] == [3, 3]


def test_the_page_tells_what_each_case_measures() -> None:
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in bench.BY_NAME if f"\n| `{name}` |" not in page] == []


def test_the_page_sets_the_checks_of_all_runs_side_by_side() -> None:
    first = values(MACHINE, [run(GOOD, OPTIONS)], is_quick=True, took_s=1.0)
    second = values(MACHINE, [run(BAD, OPTIONS), run(ABSENT, OPTIONS)], is_quick=True, took_s=1.0)
    rows = measurements({"first": first, "second": second}).splitlines()
    assert "| case | measured | target | first | second |" in rows
    assert "| good | of no-op | at least 0.300 | 0.310 met | – |" in rows
    assert any("| – | 0.290 **missed** |" in row for row in rows)
    assert "- first left out a second core: there is none (good)" in rows
    assert any(row.startswith("| bad | an arm with") for row in rows)


def test_a_page_without_runs_says_so() -> None:
    assert measurements({}) == "No run has been stored."


def test_an_outcome_without_findings_has_values() -> None:
    outcome = Outcome(name="a", title="b", result=Result.LEFT_OUT, took_s=0.1, why="none")
    (case,) = values(MACHINE, [outcome], is_quick=False, took_s=0.1)["cases"]
    assert (case["result"], case["why"], case["arms"]) == ("left out", "none", [])

"""What a machine does not have is left out and named."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench import intake_postgres, processes
from tests.bench.batches import CASE as BATCHES
from tests.bench.case import Options
from tests.bench.intake_postgres import CASE as INTAKE_POSTGRES
from tests.bench.suite import Result, run
from tests.support.postgres import NoServer, Server

OPTIONS = Options(is_quick=True, say=lambda _: None, on_round=lambda: None)


@pytest.fixture
def no_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def no_server(options: Sequence[str]) -> Iterator[Server]:
        raise NoServer("there is no Postgres")
        yield

    monkeypatch.setattr(intake_postgres, "own_server", no_server)
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)


@pytest.mark.usefixtures("no_postgres")
def test_without_postgres_its_intake_is_left_out() -> None:
    outcome = run(INTAKE_POSTGRES, OPTIONS)
    assert (outcome.result, outcome.why) == (Result.LEFT_OUT, "there is no Postgres")


@pytest.mark.usefixtures("no_postgres")
def test_without_postgres_batches_are_measured_on_sqlite() -> None:
    outcome = run(BATCHES, OPTIONS)
    assert outcome.found is not None
    assert [arm.name.split(",")[0] for arm in outcome.found.arms] == ["SQLite"] * 3
    assert outcome.found.left_out == ("batches on Postgres: there is no Postgres",)


def test_without_proc_no_processor_time_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert processes.cpu_s_of(1) is None

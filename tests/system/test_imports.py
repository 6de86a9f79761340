"""What a command or a library's import loads: nothing heavy that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Cli

NETWORK = {"aiohttp", "httpx", "httpx_aiohttp", "starlette", "uvicorn", "httptools", "anyio", "apscheduler"}
HEAVY = NETWORK | {"cryptography", "itsdangerous", "psycopg"}
COMMAND = "import sys; from receiver.cli.main import main; main()"
LISTING = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "


def _loaded(code: str, *arguments: str, folder: Path | None = None) -> set[str]:
    """The packages that are loaded at the end of the code; those of our own with the name of the module."""
    command = [sys.executable, "-W", "error", "-c", LISTING + code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={})
    assert "Traceback" not in done.stderr
    names = done.stderr.splitlines()[-1].split()  # what the code says comes before
    return {name if name.startswith(("receiver", "submitter")) else name.partition(".")[0] for name in names}


def test_the_help_loads_no_more_than_the_list_of_commands(tmp_path: Path) -> None:
    loaded = _loaded(COMMAND, "--help", folder=tmp_path)
    assert {name for name in loaded if name.startswith(("receiver", "submitter"))} == {
        "receiver",
        "receiver.cli",
        "receiver.cli.main",
        "receiver.cli.overview",
        "receiver.cli.command_list",
        "receiver.cli.examples",
        "receiver.runtime",
        "receiver.runtime.example",
    }
    assert loaded.isdisjoint({*HEAVY, "typer", "rich", "pydantic", "structlog", "asyncio", "typing", "dataclasses"})


def test_the_package_of_the_submitter_loads_its_client_when_it_is_asked_for() -> None:
    loaded = _loaded("import submitter")
    assert {name for name in loaded if name.startswith("submitter")} == {"submitter"}
    assert loaded.isdisjoint({*HEAVY, "pydantic", "asyncio", "dataclasses"})
    assert "submitter.client.client" in _loaded("from submitter import Client")


#: What only the service needs. httpx itself loads rich where it is installed.
OF_THE_SERVICE = {
    *("aiohttp", "aiosqlite", "anyio", "apscheduler", "dotenv", "httptools", "httpx_aiohttp", "itsdangerous", "jinja2"),
    *("prometheus_client", "psycopg", "receiver", "sqlite3", "starlette", "structlog", "typer", "uvicorn", "uvloop"),
}


def test_the_clients_load_nothing_that_only_the_service_needs() -> None:
    loaded = _loaded("from submitter import Client, SyncClient, Video, open_webhook")
    assert loaded.isdisjoint(OF_THE_SERVICE)
    assert {name for name in loaded if name.startswith(("submitter.providers", "submitter.simulator"))} == set()
    assert "httpx" in loaded


@pytest.mark.parametrize("command", [("tasks", "list"), ("events",), ("deliveries", "list")], ids=" ".join)
def test_a_command_that_reads_loads_no_network_and_no_keys(command: tuple[str, ...], cli: Cli) -> None:
    assert cli.run("migrate").status == 0
    loaded = _loaded(COMMAND, *command, folder=cli.folder)
    assert loaded & HEAVY == set()
    assert {"receiver.runtime.wiring", "receiver.web", "submitter.http.transport"}.isdisjoint(loaded)


MODELS = {"typer", "rich", "pydantic", "pydantic_core", "structlog", "asyncio", "aiosqlite", "logging"}


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        (("tasks", "list"), {"dataclasses", "inspect", "ast", "threading", "email", "importlib.resources", "shutil"}),
        (("events",), {"threading", "email", "shutil"}),
        (("deliveries", "list"), {"threading"}),
    ],
    ids=["tasks list", "events", "deliveries list"],
)
def test_a_listing_by_its_words_alone_loads_no_parser_no_loop_and_draws_nothing_with_rich(
    command: tuple[str, ...], left_out: set[str], cli: Cli
) -> None:
    assert cli.run("migrate").status == 0
    assert _loaded(COMMAND, *command, folder=cli.folder) & (HEAVY | MODELS | left_out) == set()


@pytest.mark.parametrize("command", [("tasks", "--help"), ("subscriptions",), ("nonsense",)], ids=" ".join)
def test_help_and_usage_draw_nothing_with_rich(command: tuple[str, ...], tmp_path: Path) -> None:
    assert _loaded(COMMAND, *command, folder=tmp_path).isdisjoint({*HEAVY, "rich", "structlog", "asyncio"})

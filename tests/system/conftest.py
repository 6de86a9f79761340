"""An empty folder for the command, one simulator for all tests of a module, and both ways to the API."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.cli import API_KEYS, Cli, at_service, read_settings

SPEED = "400"  # a typical task ends within a second


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A machine on which nothing is set."""
    return Cli(folder=tmp_path)


@pytest.fixture(scope="module")
def simulator_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    aside = Cli(folder=tmp_path_factory.mktemp("simulator"))
    with aside.running("simulate", "--port", "0", "--speed", SPEED) as simulator:
        yield read_settings(simulator)


@pytest.fixture
def simulated(cli: Cli, simulator_settings: dict[str, str]) -> Iterator[Cli]:
    """The simulated platforms, polled: no public URL is set. Afterwards no task is left unfinished there."""
    settings = {name: value for name, value in simulator_settings.items() if name != "WHENFINAL_PUBLIC_URL"}
    yield cli.with_settings(**settings, WHENFINAL_API_KEYS=API_KEYS)
    _end_all(simulator_settings["HIAPI_BASE_URL"])


def _end_all(base_url: str) -> None:
    """Because a platform takes few tasks at a time, and the next test needs room for its own."""
    with httpx.Client(base_url=httpx.URL(base_url).copy_with(path="/_simulator/"), trust_env=False) as http:
        for task in http.get("books").json()["tasks"]:
            if task["final_ms"] is None:
                http.post(f"tasks/{task['task_id']}/cancel")


@pytest.fixture(params=["inside", "at a service"])
def shell_with(
    request: pytest.FixtureRequest, simulated: Cli, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Cli]]:
    """Makes the command with these settings, in both ways: inside its own process, and at a service that has them.

    At a service it runs in a folder of its own, and knows no more than the address and a key.
    """
    with ExitStack() as stack:

        def make(**settings: str) -> Cli:
            there = simulated.with_settings(**settings)
            if request.param == "inside":
                return there
            return stack.enter_context(at_service(there, "serve", folder=tmp_path_factory.mktemp("shell")))

        yield make


@pytest.fixture
def shell(shell_with: Callable[..., Cli]) -> Cli:
    """The command in both ways."""
    return shell_with()


@pytest.fixture(params=["inside", "at a URL"])
def at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Cli], Cli]]:
    """Takes a machine with a ledger, and gives one whose commands work on it: the same, or one that knows only a URL.

    The service at the URL polls and delivers nothing, as a command does that runs the API inside.
    """
    with ExitStack() as stack:

        def reached(cli: Cli) -> Cli:
            if request.param == "inside":
                return cli
            return stack.enter_context(at_service(cli, "web", folder=tmp_path_factory.mktemp("elsewhere")))

        yield reached

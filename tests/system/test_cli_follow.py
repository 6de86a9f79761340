"""`whenfinal events --follow`: events of other processes as they happen, inside the command and at a service."""

import asyncio
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from receiver.runtime.store import open_store
from tests.support.builders import T0
from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli
from tests.support.delivery_fixtures import publish_event_of
from tests.support.postgres import free_port


async def _publish(folder: Path, number: int) -> None:
    async with open_store(f"sqlite:///{folder / 'whenfinal.db'}", clock=lambda: T0, migrating=True) as store:
        await publish_event_of(store, f"tsk_{number}")


@dataclass(slots=True, kw_only=True)
class Following:
    """A command that follows, and a ledger in which events happen."""

    command: subprocess.Popen[str]
    folder: Path
    lines: queue.Queue[str] = field(default_factory=queue.Queue)
    published: int = 0

    def read(self) -> None:
        assert self.command.stdout is not None
        for line in self.command.stdout:
            self.lines.put(line)

    def publish(self) -> str:
        self.published += 1
        asyncio.run(_publish(self.folder, self.published))
        return f"tsk_{self.published}"

    def next_line(self) -> str:
        return self.lines.get(timeout=TIMEOUT_S)

    def catch_up(self) -> None:
        """It follows from now on, and says nothing before an event comes: events happen until it shows the last one."""
        line = ""
        while not line:
            self.publish()
            with suppress(queue.Empty):
                line = self.lines.get(timeout=1)
        while line.split()[-1] != f"tsk_{self.published}":
            line = self.next_line()


@contextmanager
def _following(cli: Cli, folder: Path, *flags: str) -> Iterator[Following]:
    with cli.started("events", "--follow", *flags) as command:
        following = Following(command=command, folder=folder)
        reader = threading.Thread(target=following.read, daemon=True)
        reader.start()
        yield following
        command.kill()
        reader.join()


def test_events_of_other_processes_are_shown_until_ctrl_c(cli: Cli, at: Callable[[Cli], Cli]) -> None:
    asyncio.run(_publish(cli.folder, 0))
    with _following(at(cli), cli.folder) as following:
        following.catch_up()
        task = following.publish()
        line = following.next_line()
        assert ("task.succeeded" in line, line.split()[-1]) == (True, task)
        following.command.send_signal(signal.SIGINT)
        assert following.command.wait(TIMEOUT_S) == 130
        assert following.command.stderr is not None
        assert following.command.stderr.read() == "whenfinal: interrupted\n"


def test_stored_events_come_first_and_a_filter_leaves_others_out(cli: Cli, at: Callable[[Cli], Cli]) -> None:
    for number in (1, 2):
        asyncio.run(_publish(cli.folder, number))
    with _following(at(cli), cli.folder, "--after", "0", "--json") as following:
        assert ['"seq":1,' in following.next_line(), '"seq":2,' in following.next_line()] == [True, True]
        following.published = 2
        following.publish()
        assert '"seq":3,' in following.next_line()
    with _following(at(cli), cli.folder, "--after", "0", "--type", "task.failed", "--type", "task.succeeded") as other:
        assert "tsk_1" in other.next_line()


def test_a_service_that_starts_again_is_followed_on_where_it_was_left(cli: Cli) -> None:
    asyncio.run(_publish(cli.folder, 0))
    port = str(free_port())
    served = cli.with_settings(WHENFINAL_API_KEYS=API_KEYS)
    settings = {"WHENFINAL_URL": f"http://127.0.0.1:{port}", "WHENFINAL_API_KEY": OPERATOR}
    there = Cli(folder=cli.folder, environment=settings)
    with ExitStack() as stack:
        with served.running("web", "--port", port) as first:
            assert port in first.url
            following = stack.enter_context(_following(there, cli.folder))
            following.catch_up()
        missed = following.publish()
        with served.running("web", "--port", port) as second:
            assert port in second.url
            assert following.next_line().split()[-1] == missed
            task = following.publish()
            assert following.next_line().split()[-1] == task

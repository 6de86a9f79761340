"""`whenfinal demo`: the options, the closing words, and the exit status."""

import asyncio
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from receiver.cli.console import INTERRUPTED, WRONG, complain, emit
from receiver.cli.demo.display import Result, Screen, closing, result_view
from receiver.cli.demo.examples import load_examples
from receiver.cli.demo.runner import Demo, Scenario, open_demo
from receiver.cli.demo.scenario import LEAST, make_requests
from receiver.cli.display.terminal import console
from receiver.cli.options import Json
from receiver.runtime.example import MODEL, PROVIDER

MOST = 200  # requests a provider; more would make the demo too long to watch

Tasks = Annotated[int, typer.Option("--tasks", min=LEAST, max=MOST, help="Tasks a provider.")]

Seed = Annotated[int, typer.Option("--seed", help="Seed of the random durations, and of which task meets which fault.")]

Keep = Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, until Ctrl-C.")]

KillAt = Annotated[int | None, typer.Option("--kill-at", min=1, hidden=True)]


def demo(
    *, tasks: Tasks = LEAST, seed: Seed = 1, keep: Keep = False, kill_at: KillAt = None, as_json: Json = False
) -> None:
    # The faults are shuffled with a generator of their own, so that they do not depend on the simulator's random draws.
    shuffle = random.Random(seed).shuffle  # noqa: S311 - an order that can be repeated, which protects nothing
    scenario = Scenario(
        requests=make_requests(load_examples(), each=tasks, shuffle=shuffle), seed=seed, kill_at=kill_at
    )
    try:
        is_good = asyncio.run(_run(scenario, keep=keep, as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C, SIGTERM or SIGHUP; all is stopped by now
        complain(["interrupted"])
        raise typer.Exit(INTERRUPTED) from None
    if not is_good:
        raise typer.Exit(WRONG)


async def _run(scenario: Scenario, *, keep: bool, as_json: bool) -> bool:
    with _cancelled_by(signal.SIGTERM, signal.SIGHUP):
        screen = Screen(console(stderr=as_json), time.monotonic)
        async with open_demo(scenario, screen) as running:
            result = await running.run()
            _conclude(result, screen, as_json=as_json)
            if keep:
                _invite(running)
                await running.processes.watch()  # until cancelled
        return result.is_good


def _conclude(result: Result, screen: Screen, *, as_json: bool) -> None:
    if as_json:
        emit(result_view(result))
    else:
        for part in closing(result):
            screen.show(part)


def _invite(running: Demo) -> None:
    setup = running.processes.setup
    url, ledger = setup.receiver, setup.ledger_url
    auth = f'-H "Authorization: Bearer {setup.api_key}"'
    request = f'{{"provider": "{PROVIDER}", "video": {{"model": "{MODEL}", "prompt": "a paper boat"}}}}'
    for line in (
        f"\nserving {url}  key {setup.api_key}  until Ctrl-C",
        f"the dashboard is at {url}/ops: open it in a browser and sign in with that key; or try:",
        f"  curl {auth} '{url}/v1/tasks?limit=3'",
        f"  curl {auth} '{url}/v1/events?after=0&limit=3'",
        f"  curl {auth} {url}/v1/subscriptions",
        f"  curl -N {auth} '{url}/v1/events/stream?after=0&type=task.failed'",
        f"  WHENFINAL_DATABASE_URL={ledger} whenfinal subscriptions list",
        f"  curl {auth} -H 'Content-Type: application/json' -d '{request}' {url}/v1/tasks",
    ):
        running.screen.say(line)


@contextmanager
def _cancelled_by(*numbers: signal.Signals) -> Iterator[None]:
    """These signals cancel the work as Ctrl-C does, so that no process outlives it.

    One that is ignored stays ignored, because `nohup` starts a command so.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, task.cancel if task else lambda: None)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)

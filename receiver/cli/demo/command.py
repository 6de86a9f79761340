"""`whenfinal demo`: from words on the command line to an exit status."""

import asyncio
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from receiver.cli.console import INTERRUPTED, WRONG, complain, console, emit
from receiver.cli.demo.display import Result, Screen, closing, result_view
from receiver.cli.demo.runner import Demo, Wish, open_demo
from receiver.cli.demo.scenario import LEAST, load_examples, make_orders
from receiver.cli.options import Json

MOST = 200  # orders a provider; more would need a longer demo than anyone watches

Tasks = Annotated[int, typer.Option("--tasks", min=LEAST, max=MOST, help="Tasks a provider.")]

Seed = Annotated[int, typer.Option("--seed", help="Of the dice: durations, and which task meets which fault.")]

Keep = Annotated[bool, typer.Option("--keep", help="Leave everything serving afterwards, until Ctrl-C.")]

KillAt = Annotated[int | None, typer.Option("--kill-at", min=1, hidden=True)]


def demo(
    *, tasks: Tasks = LEAST, seed: Seed = 1, keep: Keep = False, kill_at: KillAt = None, as_json: Json = False
) -> None:
    """Show the whole service against simulated providers with faults, and count what came out.

    Exit 1 if a task was lost, doubled or paid twice, and say which.
    """
    # The order of faults is drawn from dice of its own, so that it does not hang on how the simulator throws its.
    orders = make_orders(load_examples(), each=tasks, shuffle=random.Random(seed).shuffle)  # noqa: S311 - no secret
    wish = Wish(orders=orders, seed=seed, kill_at=kill_at)
    try:
        is_good = asyncio.run(_run(wish, keep=keep, as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C; SIGTERM or SIGHUP. All is stopped by now
        complain(["interrupted"])
        raise typer.Exit(INTERRUPTED) from None
    if not is_good:
        raise typer.Exit(WRONG)


async def _run(wish: Wish, *, keep: bool, as_json: bool) -> bool:
    with _cancelled_by(signal.SIGTERM, signal.SIGHUP):
        screen = Screen(console(stderr=as_json), time.monotonic)
        async with open_demo(wish, screen) as running:
            result = await running.run()
            _conclude(result, screen, as_json=as_json)
            if keep:
                _invite(running)
                await running.keep()
        return result.is_good


def _conclude(result: Result, screen: Screen, *, as_json: bool) -> None:
    if as_json:
        emit(result_view(result))
    else:
        for part in closing(result, screen.width):
            screen.show(part)


def _invite(running: Demo) -> None:
    places, keys = running.world.places, running.world.keys
    auth = f'-H "Authorization: Bearer {keys.api}"'
    running.screen.say(f"\nserving {places.receiver}  key {keys.api}  until Ctrl-C; try:")
    running.screen.say(f"  curl {auth} {places.receiver}/v1/tasks?limit=3")
    running.screen.say(f"  curl {auth} '{places.receiver}/v1/events?after=0&limit=3'")
    running.screen.say(f"  curl {auth} {places.receiver}/v1/subscriptions")
    running.screen.say(f"  curl -N {auth} '{places.receiver}/v1/events/stream?after=0&type=task.failed'")
    ledger = running.world.environment["WHENFINAL_DATABASE_URL"]
    running.screen.say(f"  WHENFINAL_DATABASE_URL={ledger} whenfinal subscriptions list")
    order = '{"provider": "hiapi", "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "a paper boat"}}'
    post = f"{auth} -H 'Content-Type: application/json' -d '{order}'"
    running.screen.say(f"  curl {post} {places.receiver}/v1/tasks")


@contextmanager
def _cancelled_by(*numbers: signal.Signals) -> Iterator[None]:
    """Those signals end the work as Ctrl-C does, so that no child outlives it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in numbers:
        loop.add_signal_handler(number, task.cancel if task else lambda: None)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

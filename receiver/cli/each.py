"""The same work for each of many names: what can not be done is said, and the others are done."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import typer

from receiver.cli.console import USAGE, WRONG, CommandFailed, complain
from receiver.cli.remote import exit_status, is_missing, with_client, words_of
from submitter.client.client import Client
from submitter.errors import ReceiverProblem, ReceiverRefused

T = TypeVar("T")

AT_ONCE = 8  # requests of one command

#: Statuses of a key that is wrong or may not.
_FOR_ALL = frozenset({401, 403})

_NOT_FOUND = 404


@dataclass(slots=True, kw_only=True)
class _Results(Generic[T]):
    """What became of the names so far."""

    names: Sequence[str]
    done: dict[str, T] = field(default_factory=dict)
    failed: dict[str, CommandFailed] = field(default_factory=dict)

    @property
    def values(self) -> list[T]:
        """In the order of the names."""
        return [self.done[name] for name in self.names if name in self.done]


def do_each(
    names: Sequence[str],
    work: Callable[[Client, str], Awaitable[T]],
    print_done: Callable[[Sequence[T]], None],
    *,
    at_once: int = AT_ONCE,
) -> None:
    """Do the work for each name, print what came of it, and name on stderr what could not be done.

    What was done is printed also where the rest is given up. Raise typer.Exit where a name failed.
    """
    results = _Results[T](names=names)

    async def all_of(client: Client) -> None:
        room = asyncio.Semaphore(at_once)
        works = [asyncio.create_task(_do(client, name, work, results, room)) for name in names]
        try:
            await asyncio.gather(*works)
        finally:
            for each in works:
                each.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    try:
        with_client(all_of)
    finally:
        if results.done:
            print_done(results.values)
        complain([line for name in names if name in results.failed for line in str(results.failed[name]).splitlines()])
    if results.failed:
        statuses = {error.status for error in results.failed.values()}
        raise typer.Exit(USAGE if statuses == {USAGE} and not results.done else WRONG)


def _is_for_all(problem: ReceiverProblem) -> bool:
    """Whether every other request would get the same answer."""
    lacks_route = problem.status == _NOT_FOUND and not is_missing(problem)
    return problem.status in _FOR_ALL or lacks_route


async def _do(
    client: Client,
    name: str,
    work: Callable[[Client, str], Awaitable[T]],
    results: _Results[T],
    room: asyncio.Semaphore,
) -> None:
    """What the work raises for one name is kept with that name. Raise what would be the same for every name."""
    async with room:
        try:
            results.done[name] = await work(client, name)
        except CommandFailed as error:
            results.failed[name] = error
        except ReceiverRefused as error:
            if _is_for_all(error.problem):
                raise
            words = words_of(error.problem)
            about = words if len(results.names) == 1 else f"{name}: {words}"
            results.failed[name] = CommandFailed(about, status=exit_status(error.problem))

"""How a command comes to the API: at the service that `WHENFINAL_URL` names, or inside its own process.

Inside, the same application works on the ledger of the settings, so a command is written once, with the client.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from receiver.cli.console import INTERRUPTED, USAGE, WRONG, CommandFailed, complain, require_output
from receiver.cli.option_names import as_option
from receiver.config.errors import ConfigError
from submitter.client.client import Client
from submitter.errors import CursorExpired, ReceiverProblem, ReceiverRefused, ReceiverUnreachable

T = TypeVar("T")

#: The option `--url` of the command, which wins over the variable.
given_url: ContextVar[str | None] = ContextVar("given_url", default=None)

#: Statuses of a problem with what was asked, not with the things that it was asked about.
_WRONG_USAGE = frozenset({400, 413, 415, 422})

_NO_ROUTE = "No such address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service, as a command reaches it."""

    url: str
    key: str = field(repr=False)


def with_client(
    work: Callable[[Client], Coroutine[Any, Any, T]], *, creating: bool = False, polling: bool = False
) -> T:
    """Run the work with a client of the API, and return what it returns.

    Without a URL the API runs inside this process: `creating` makes the ledger or brings its schema up to date, and
    `polling` polls and delivers meanwhile, as a running service does. Raise CommandFailed for a request that was
    refused, a service that can not be reached and a ledger that can not be used; ConfigError for wrong settings.
    Ctrl-C ends the process; a submit in flight is finished first, because it may be paid.
    """
    require_output()
    service = find_service()
    with _refusals_told(service):
        if service is not None:
            return _run(_at(service, work))
        from receiver.cli.ledger import prepare, run_on_ledger

        settings = prepare(creating=creating)

        async def opened() -> T:
            from receiver.cli.inside import URL, inside

            async with (
                inside(settings, creating=creating, polling=polling) as transport,
                Client(URL, "inside", transport=transport) as client,
            ):
                return await work(client)

        return run_on_ledger(settings, opened)


async def _at(service: Service, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    try:
        opened = Client(service.url, service.key)
    except ValueError as error:
        where = "WHENFINAL_URL" if given_url.get() is None else "--url"
        raise ConfigError(f"{where}: {error}", hint="give it in the form https://host or https://host/path") from error
    async with opened as client:
        return await work(client)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)


def is_elsewhere() -> bool:
    """Whether a service is named, also where its address or key is wrong."""
    from receiver.runtime.environment import read_variables

    if given_url.get() is not None:
        return True
    try:
        variables, _ = read_variables()
    except ConfigError:
        return False
    return "WHENFINAL_URL" in variables


def find_service() -> Service | None:
    """The service of `--url` or `WHENFINAL_URL`; None to work on the ledger of the settings.

    Raise ConfigError for an address without a key, and for one that is none.
    """
    from receiver.runtime.environment import load_shell_settings

    settings = load_shell_settings(given_url.get())
    if settings.url is None:
        return None
    if settings.api_key is None:
        hint = "set it to a key of that service; whoever runs it makes one with `whenfinal keys create`"
        raise ConfigError(f"WHENFINAL_API_KEY: it is not set, and {settings.url} wants a key", hint=hint)
    return Service(url=settings.url, key=settings.api_key)


@contextmanager
def _refusals_told(service: Service | None) -> Iterator[None]:
    """Turn what the client raises into the lines of a command."""
    try:
        yield
    except ReceiverRefused as error:
        raise CommandFailed(words_of(error.problem, service), status=exit_status(error.problem)) from error
    except CursorExpired as error:
        hint = f"the oldest stored ones follow --after {error.oldest_after}"
        raise CommandFailed(f"events after that number are no longer stored; {hint}") from error
    except ReceiverUnreachable as error:
        where = "the service" if service is None else service.url
        raise CommandFailed(f"{where}: {error}; is it a whenfinal service of this version, and running?") from error


def words_of(problem: ReceiverProblem, service: Service | None = None) -> str:
    """The lines of a refusal, under the URL of the service that said so."""
    if problem.errors:
        return "\n".join(f"{as_option(each.field)}: {each.rule}; accepted: {each.accepted}" for each in problem.errors)
    text = problem.detail or problem.title
    if problem.status == 404 and not is_missing(problem) and service is not None:
        return f"{service.url} does not know this request; it is of another version, or not a whenfinal service"
    return text[:1].lower() + text[1:].removesuffix(".") if service is None else f"{service.url}: {text}"


def is_missing(problem: ReceiverProblem) -> bool:
    """Whether there is no such thing; a service of another version may lack the whole address instead."""
    return problem.status == 404 and not (problem.detail or "").startswith(_NO_ROUTE)


def exit_status(problem: ReceiverProblem) -> int:
    return USAGE if problem.status in _WRONG_USAGE else WRONG

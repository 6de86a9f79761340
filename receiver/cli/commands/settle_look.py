"""`whenfinal tasks settle --look`: search the lists of the providers for lost submits, and settle what is clear."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Self

from rich.progress import TaskID

from receiver.cli.commands.tasks import ACTOR, configured_provider, find_task
from receiver.cli.console import WRONG, CommandFailed, confirm, emit, note, show
from receiver.cli.display.bars import progress
from receiver.cli.display.settle_tables import candidate_view, candidates_table, search_view, searches_table
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.tasks.lost_submits import NoList, OnPage
from receiver.tasks.model.candidates import Listing, Search
from receiver.tasks.model.settle import OperatorId
from receiver.tasks.model.task import SettleRefused, Task
from submitter.model import TaskId, TaskState
from submitter.timestamps import rfc3339

_NO_LIST = "cannot be listed: {} documents no list of tasks"


def look_for_one(task_name: str, *, as_json: bool) -> None:
    """Show the tasks in the provider's list that this task may be. Change nothing."""
    search = with_services(lambda services: _search_one(services, task_name))
    task, listing = search.task, search.listing
    if not search.found and listing.problem:
        raise CommandFailed(f"{task.provider} {listing.problem}; nothing is known about {task.id}")
    if as_json:
        for candidate in search.found:
            emit(candidate_view(candidate, search))
    elif search.found:
        show(candidates_table(search), "", f"whenfinal tasks settle {task.id} --task-id {_id_in_command(search)}")
    else:
        show(f"{task.provider} lists no task of that time that is missing from the ledger")
    note(f"{task.provider} showed {listing.listed} of its tasks{f'; {listing.problem}' if listing.problem else ''}")


def _id_in_command(search: Search) -> str:
    return "ID" if search.clear is None else search.clear.listed.provider_task_id


async def _search_one(services: Services, task_name: str) -> Search:
    task = await find_task(services, task_name)
    if task.state is not TaskState.UNCERTAIN:
        raise CommandFailed(f"only an uncertain task can be searched for; this one is {task.state.value}")
    configured = configured_provider(services, task)
    with _Pages() as pages:
        found = await services.lost_submits.search([task], configured, on_page=pages.count)
    if isinstance(found, NoList):
        title, base_url = configured.adapter.CAPABILITIES.title, configured.account.base_url
        raise CommandFailed(
            f"{title} documents no list of tasks; search the console of the account at {base_url} "
            f"for a task of {task.model or 'this request'} sent at {rfc3339(task.sent_ms or task.created_ms)}"
        )
    return found[0]


def look_for_all(*, yes: bool, as_json: bool) -> None:
    """Show every uncertain task with its best candidate, and settle those with exactly one."""
    searches = with_services(_search_all)
    clear = [search for search in searches if search.clear is not None]
    if not as_json:
        show(searches_table(searches) if searches else "no task is uncertain")
    if clear:
        note(f"{len(clear)} of {len(searches)} have exactly one candidate")
        try:
            confirm("Settle each of these as its candidate?", yes=yes)
        except CommandFailed:
            _emit_all(searches, {}, as_json=as_json)
            raise
    settled = with_services(lambda services: _settle_all(services, clear)) if clear else {}
    _emit_all(searches, settled, as_json=as_json)
    wrong = {task_id: outcome for task_id, outcome in settled.items() if isinstance(outcome, SettleRefused)}
    for task_id, outcome in wrong.items():
        note(f"{task_id}: {outcome.reason}")
    if len(settled) - len(wrong) < len(searches):
        left = len(searches) - len(settled) + len(wrong)
        raise CommandFailed(f"{left} of {len(searches)} are still uncertain; settle each by its id", status=WRONG)


def _emit_all(searches: Sequence[Search], settled: Mapping[TaskId, Task | SettleRefused], *, as_json: bool) -> None:
    for search in searches:
        outcome = settled.get(search.task.id)
        if as_json:
            emit(search_view(search, outcome))
        elif isinstance(outcome, Task):
            show(f"{outcome.id} is {outcome.provider}'s {outcome.provider_task_id}")


async def _search_all(services: Services) -> list[Search]:
    lost = await services.lost_submits.all_uncertain()
    by_provider = groupby(sorted(lost, key=lambda task: (task.provider, task.id)), key=lambda task: task.provider)
    with _Pages() as pages:
        works = [_search_provider(services, name, list(own), pages.count) for name, own in by_provider]
        return [search for found in await asyncio.gather(*works) for search in found]


async def _search_provider(services: Services, name: str, lost: Sequence[Task], on_page: OnPage) -> list[Search]:
    configured = services.providers.get(name)
    if configured is None:
        return [_unlisted(task, f"cannot be listed: {name} is not configured") for task in lost]
    found = await services.lost_submits.search(lost, configured, on_page=on_page)
    if isinstance(found, NoList):
        return [_unlisted(task, _NO_LIST.format(configured.adapter.CAPABILITIES.title)) for task in lost]
    return found


def _unlisted(task: Task, problem: str) -> Search:
    return Search(task=task, found=(), listing=Listing(problem=problem), rivals={})


async def _settle_all(services: Services, clear: Sequence[Search]) -> dict[TaskId, Task | SettleRefused]:
    settled: dict[TaskId, Task | SettleRefused] = {}
    for search in clear:
        if search.clear is not None:
            row = search.clear.listed
            named = OperatorId(
                provider_task_id=row.provider_task_id,
                instead_of=search.task.provider_task_id,
                found=f"the only candidate in {search.task.provider}'s list: {row.model or ''} {row.raw_state}",
            )
            settled[search.task.id] = await services.store.submissions.settle_adopt(
                search.task.id, named, actor=ACTOR, now_ms=services.clock()
            )
    return settled


class _Pages:
    """A progress bar for each provider whose list is read."""

    def __init__(self) -> None:
        self._bars = progress()
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def count(self, provider: str) -> None:
        if provider not in self._lines:
            self._lines[provider] = self._bars.add_task(f"pages of {provider}'s list", total=None)
        self._bars.advance(self._lines[provider])

"""`whenfinal tasks`: look at tasks, understand one, and settle what no machine can."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from receiver.cli.console import USAGE, CommandFailed, emit, note, show
from receiver.cli.display.explain import Outlook, Situation, StoryLine, look_ahead, tell_story
from receiver.cli.display.tables import candidates_table, outlook_lines, story_table, task_sheet, tasks_table
from receiver.cli.options import Json, Limit, OlderThan, Pair, Provider, one_of, parse_pair, told
from receiver.cli.runner import with_services
from receiver.runtime.services import Services
from receiver.tasks.model.task import SettleRefused, Task, TaskFilter
from receiver.tasks.model.timeline import TimelineEntry
from receiver.tasks.operator import Candidate, Candidates, NoList, NotCanceled, TaskOperator, describe_no_answer
from submitter import api
from submitter.model import CancelAccepted, ProviderTaskId, TaskId, TaskState
from submitter.providers.contract import ConfiguredProvider
from submitter.timestamps import rfc3339

ACTOR = "command line"

Name = Annotated[str, typer.Argument(metavar="ID", help="Our id, or PROVIDER/ID with the provider's own.")]

State = Annotated[TaskState | None, one_of(TaskState, "--state", "Only in this state")]

Label = Annotated[
    Pair | None, typer.Option("--label", metavar="NAME=VALUE", parser=told(parse_pair), help="Only with this label.")
]


def list_tasks(
    *,
    state: State = None,
    provider: Provider = None,
    label: Label = None,
    older_than: OlderThan = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List tasks, the newest first."""

    async def work(services: Services) -> tuple[tuple[Task, ...], bool, int]:
        now_ms = services.clock()
        wanted = TaskFilter(
            state=state,
            provider=provider,
            label=None if label is None else (label.name, label.value),
            older_than_ms=None if older_than is None else now_ms - round(older_than * 1000),
            limit=limit,
        )
        page = await services.store.tasks.tasks(wanted)
        if provider is not None and not page.items:
            await check_provider(services, provider)
        return page.items, page.next_cursor is not None, now_ms

    tasks, has_more, now_ms = with_services(work)
    if as_json:
        for task in tasks:
            emit(api.Task.model_validate(task).json_values())
    else:
        show(tasks_table(tasks, now_ms) if tasks else "no task matches")
    if has_more:
        note(f"only the newest {limit}; see more with --limit")


async def check_provider(services: Services, name: str) -> None:
    """Raise CommandFailed for one that neither the settings nor the ledger know."""
    known = {*services.providers, *(provider for provider, _ in await services.store.tasks.counts())}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
        raise CommandFailed(f"no provider {name} is configured or in the ledger; {hint}", status=USAGE)


def show_task(name: Name, *, as_json: Json = False) -> None:
    """Show all of one task."""

    async def work(services: Services) -> tuple[Task, int]:
        return await find_task(services, name), services.clock()

    task, now_ms = with_services(work)
    if as_json:
        emit(api.Task.model_validate(task).json_values())
    else:
        show(task_sheet(task, now_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    task: Task
    notes: list[TimelineEntry]
    lines: tuple[StoryLine, ...]
    outlook: Outlook
    now_ms: int


def explain(name: Name, *, as_json: Json = False) -> None:
    """Tell everything that happened to a task, what happens next, and what you can do."""
    told = with_services(lambda services: _explained(services, name))
    if as_json:
        emit(_explained_view(told))
        return
    show(task_sheet(told.task, told.now_ms), "", story_table(told.lines), *outlook_lines(told.outlook))


async def _explained(services: Services, name: str) -> _Explained:
    task = await find_task(services, name)
    notes = await services.store.tasks.timeline(task.id)
    now_ms = services.clock()
    accounts = {account.provider: account for account in await services.store.accounts.all()}
    situation = Situation(
        now_ms=now_ms,
        repeatable=services.submission.is_repeatable(task, now_ms),
        configured=task.provider in services.providers,
        account=accounts.get(task.provider),
    )
    return _Explained(
        task=task,
        notes=notes,
        lines=tell_story(task, notes),
        outlook=look_ahead(task, notes, situation),
        now_ms=now_ms,
    )


def _explained_view(told: _Explained) -> dict[str, Any]:
    timeline = [api.TimelineEntry.model_validate(each).json_values() for each in told.notes]
    outlook = {"next": list(told.outlook.next), "cure": list(told.outlook.hint)}
    return {"task": api.Task.model_validate(told.task).json_values(), "timeline": timeline, **outlook}


def settle(
    name: Name,
    *,
    provider_task_id: Annotated[
        str | None, typer.Option("--task-id", metavar="ID", help="It was created: the provider's id of it.")
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Nothing was created.")] = False,
    look: Annotated[bool, typer.Option("--look", help="Only list what of the provider's tasks it may be.")] = False,
    as_json: Json = False,
) -> None:
    """End an uncertain submit without paying again: say what you found in the provider's console."""
    if [provider_task_id is not None, refused, look].count(True) != 1:
        raise CommandFailed("give one of --task-id ID, --refused and --look", status=USAGE)
    if look:
        _look(name, as_json=as_json)
        return

    async def work(services: Services) -> tuple[Task | SettleRefused, int]:
        task = await find_task(services, name)
        return await _settled(services, task, provider_task_id), services.clock()

    outcome, now_ms = with_services(work)
    if isinstance(outcome, SettleRefused):
        raise CommandFailed(outcome.reason)
    if as_json:
        emit(api.Task.model_validate(outcome).json_values())
    else:
        show(task_sheet(outcome, now_ms))


def _look(name: str, *, as_json: bool) -> None:
    """Changes nothing."""

    async def work(services: Services) -> tuple[Task, Candidates]:
        task = await find_task(services, name)
        if task.state is not TaskState.UNCERTAIN:
            raise CommandFailed(f"only an uncertain task can be looked for; this one is {task.state.value}")
        return task, await _candidates(services, task)

    task, seen = with_services(work)
    if as_json:
        for candidate in seen.found:
            emit(_candidate_view(candidate))
    elif seen.found:
        show(candidates_table(seen.found), "", f"whenfinal tasks settle {task.id} --task-id ID")
    else:
        show(f"{task.provider} lists no task of that time that is not in the ledger")
    note(f"{task.provider} showed the newest {seen.listed} of its tasks; older ones are in its console")


async def _candidates(services: Services, task: Task) -> Candidates:
    configured = configured_provider(services, task)
    seen = await operator_of(services).find_candidates(task, configured)
    if isinstance(seen, Candidates):
        return seen
    if isinstance(seen, NoList):
        title, base_url = configured.adapter.CAPABILITIES.title, configured.account.base_url
        made = rfc3339(task.created_ms)
        raise CommandFailed(
            f"{title} documents no list of tasks; look in the console of the account at {base_url} "
            f"for a task of {task.model or 'this request'} made at about {made}"
        )
    raise CommandFailed(f"there is no list of {task.provider} now: {describe_no_answer(seen)}")


def _candidate_view(candidate: Candidate) -> dict[str, Any]:
    row = candidate.listed
    made = None if row.created_at_ms is None else rfc3339(row.created_at_ms)
    return {
        "task_id": row.provider_task_id,
        "raw_state": row.raw_state,
        "model": row.model,
        "created_at": made,
        "same_model": candidate.same_model,
    }


def cancel(name: Name, *, as_json: Json = False) -> None:
    """Ask the provider to cancel a waiting task; what comes of it is told as any end."""

    async def work(services: Services) -> tuple[Task, CancelAccepted | NotCanceled]:
        task = await find_task(services, name)
        configured = configured_provider(services, task)
        return task, await operator_of(services).cancel(task, configured, actor=ACTOR)

    task, outcome = with_services(work)
    if isinstance(outcome, NotCanceled):
        raise CommandFailed(f"{task.id} is not canceled: {outcome.reason}")
    if as_json:
        emit({"task": task.id, "accepted": True})
    else:
        show(f"{task.provider} accepted the cancellation request for {task.id}; the next poll tells what came of it:")
        show(f"whenfinal reconcile --task {task.id}")


def operator_of(services: Services) -> TaskOperator:
    return TaskOperator(
        tasks=services.store.tasks,
        ledger=services.store.ledger,
        accounts=services.store.accounts,
        audit=services.store.audit,
        transport=services.transport,
        clock=services.clock,
        speed=services.settings.providers.speed,
    )


def configured_provider(services: Services, task: Task) -> ConfiguredProvider:
    configured = services.providers.get(task.provider)
    if configured is None:
        raise CommandFailed(f"{task.provider} is not among the configured providers")
    return configured


async def _settled(services: Services, task: Task, provider_task_id: str | None) -> Task | SettleRefused:
    now_ms = services.clock()
    if provider_task_id is None:
        return await services.store.submissions.settle_refuse(task.id, actor=ACTOR, now_ms=now_ms)
    # Looked at by the next turn: the task is older than its receipt, and may have ended long ago.
    return await services.store.submissions.settle_adopt(
        task.id, ProviderTaskId(provider_task_id), next_poll_ms=now_ms, actor=ACTOR, now_ms=now_ms
    )


async def find_task(services: Services, given_id: str) -> Task:
    """`given_id` is our id, or `provider/id` with the provider's."""
    provider, slash, rest = given_id.partition("/")
    tasks = services.store.tasks
    task = await (tasks.task_by_key(provider, ProviderTaskId(rest)) if slash else tasks.task(TaskId(given_id)))
    if task is None:
        raise CommandFailed(f"there is no task {given_id}; see `whenfinal tasks list`")
    return task

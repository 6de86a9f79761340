"""`whenfinal tasks`: look at tasks, understand one, and settle what no machine can."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from receiver import views
from receiver.commands.console import USAGE, CommandFailed, emit, note, show
from receiver.commands.options import Json, Limit, OlderThan, Pair, Provider, parse_pair, told
from receiver.commands.running import with_services
from receiver.explaining import Outlook, Situation, StoryLine, look_ahead, tell_story
from receiver.records import Note, SettleRefused, Task, TaskFilter
from receiver.services import Services
from receiver.tables import outlook_lines, story_table, task_sheet, tasks_table
from submitter.model import TaskState

ACTOR = "command line"

Name = Annotated[str, typer.Argument(metavar="ID", help="Our id, or PROVIDER/ID with the provider's own.")]
State = Annotated[TaskState | None, typer.Option("--state", help="Only in this state.")]
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
        page = await services.store.reading.tasks(wanted)
        return page.items, page.next_cursor is not None, now_ms

    tasks, has_more, now_ms = with_services(work)
    if as_json:
        for task in tasks:
            emit(views.task_view(task))
    else:
        show(tasks_table(tasks, now_ms) if tasks else "no task matches")
    if has_more:
        note(f"only the newest {limit}; see more with --limit")


def show_task(name: Name, *, as_json: Json = False) -> None:
    """Show all of one task."""

    async def work(services: Services) -> tuple[Task, int]:
        return await find_task(services, name), services.clock()

    task, now_ms = with_services(work)
    if as_json:
        emit(views.task_view(task))
    else:
        show(task_sheet(task, now_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    task: Task
    notes: list[Note]
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
    notes = await services.store.reading.timeline(task.id)
    now_ms = services.clock()
    accounts = {account.provider: account for account in await services.store.polls.accounts()}
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
    timeline = [
        {"at": views.rfc3339(each.at_ms), "kind": each.kind, "summary": each.summary, "detail": dict(each.detail)}
        for each in told.notes
    ]
    outlook = {"next": list(told.outlook.next), "cure": list(told.outlook.cure)}
    return {"task": views.task_view(told.task), "timeline": timeline, **outlook}


def settle(
    name: Name,
    *,
    task_id: Annotated[
        str | None, typer.Option("--task-id", metavar="ID", help="It was created: the provider's id of it.")
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Nothing was created.")] = False,
    as_json: Json = False,
) -> None:
    """End an uncertain submit without paying again: say what you found in the provider's console."""
    if (task_id is None) != refused:
        raise CommandFailed("give one of --task-id ID and --refused", status=USAGE)

    async def work(services: Services) -> tuple[Task | SettleRefused, int]:
        task = await find_task(services, name)
        return await _settled(services, task, task_id), services.clock()

    outcome, now_ms = with_services(work)
    if isinstance(outcome, SettleRefused):
        raise CommandFailed(outcome.reason)
    if as_json:
        emit(views.task_view(outcome))
    else:
        show(task_sheet(outcome, now_ms))


async def _settled(services: Services, task: Task, task_id: str | None) -> Task | SettleRefused:
    now_ms = services.clock()
    if task_id is None:
        return await services.store.submits.settle_refuse(task.id, actor=ACTOR, now_ms=now_ms)
    # Looked at by the next turn: the task is older than its receipt, and may have ended long ago.
    return await services.store.submits.settle_adopt(task.id, task_id, next_poll_ms=now_ms, actor=ACTOR, now_ms=now_ms)


async def find_task(services: Services, name: str) -> Task:
    provider, slash, task_id = name.partition("/")
    reading = services.store.reading
    task = await (reading.task_by_key(provider, task_id) if slash else reading.task(name))
    if task is None:
        raise CommandFailed(f"there is no task {name}; see `whenfinal tasks list`")
    return task

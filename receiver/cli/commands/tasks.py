"""`whenfinal tasks`: show a task or the queue, explain a task, cancel one."""

from typing import Annotated, Any

import typer

from receiver.cli.console import CommandFailed, emit, note_more, show
from receiver.cli.display.tables import next_steps_lines, queue_lines, queued_table, task_sheet, timeline_table
from receiver.cli.options import Json
from receiver.cli.provider_names import check_name
from receiver.cli.runner import with_services
from receiver.runtime.clock import now_ms
from receiver.runtime.explaining import Explanation, explain_task
from receiver.runtime.services import Services
from receiver.store.accounts import AccountStatus
from receiver.store.repository import Page
from receiver.tasks.model.queue import QueueDepth, QueuePlace
from receiver.tasks.model.queue_list import QueuedTask, with_places
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.operator import NotCanceled
from submitter import api
from submitter.model import CancelAccepted, ProviderTaskId, TaskId, TaskState
from submitter.providers.contract import ConfiguredProvider

ACTOR = "command line"

TaskName = Annotated[str, typer.Argument(metavar="ID", help="Our id tsk_…, or PROVIDER/ID with the provider's id.")]


def list_queued(wanted: TaskFilter, *, as_json: bool) -> None:
    """List queued tasks in the order in which they are sent, each with its place, and below how long each queue is."""

    async def work(services: Services) -> tuple[Page[QueuedTask], list[QueueDepth], list[AccountStatus]]:
        page = await services.store.tasks.queued(wanted)
        if wanted.provider is not None and not page.items:
            await check_provider(services, wanted.provider)
        depths = [each for each in await services.store.queue.depths() if wanted.provider in {None, each.provider}]
        return page, depths, await services.store.accounts.all()

    page, depths, accounts = with_services(work)
    now = now_ms()
    placed = with_places(page.items, depths, accounts, now)
    if as_json:
        for task, place in placed:
            emit(with_place(api.Task.model_validate(task), place))
    else:
        show(queued_table(placed, now) if placed else "no task matches", *queue_lines(depths, accounts, now))
    note_more(page, which="first")


def with_place(task: api.Task, place: QueuePlace) -> dict[str, Any]:
    return {**task.json_values(), "queue": api.QueuePlace.model_validate(place).json_values()}


async def check_provider(services: Services, name: str) -> None:
    """Raise CommandFailed for a provider that is neither configured nor in the ledger."""
    await check_name(name, services.providers, services.store.tasks)


def show_task(task_name: TaskName, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[Task, QueuePlace | None]:
        task = await find_task(services, task_name)
        return task, await services.store.queue.place(task, services.clock())

    task, place = with_services(work)
    if as_json:
        shown = api.TaskWithRequest.model_validate(task)
        emit(shown.json_values() if place is None else with_place(shown, place))
    else:
        show(task_sheet(task, now_ms(), place))


def show_one(task: Task, *, as_json: bool) -> None:
    if as_json:
        emit(api.TaskWithRequest.model_validate(task).json_values())
    else:
        show(task_sheet(task, now_ms()))


def explain(task_name: TaskName, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[Task, Explanation]:
        task = await find_task(services, task_name)
        return task, await explain_task(services, task)

    task, explanation = with_services(work)
    timeline, steps = explanation.timeline, explanation.steps
    if as_json:
        emit(
            {
                "task": api.TaskWithRequest.model_validate(task).json_values(),
                "timeline": [api.TimelineEntry.model_validate(each).json_values() for each in timeline],
                "next": steps.automatic,
                "cure": steps.manual,
            }
        )
    else:
        show(task_sheet(task, now_ms()), "", timeline_table(timeline, task.created_ms), *next_steps_lines(steps))


def cancel(task_name: TaskName, *, as_json: Json = False) -> None:
    async def work(services: Services) -> tuple[Task, CancelAccepted | NotCanceled]:
        task = await find_task(services, task_name)
        if canceled := await services.store.queue.cancel(task.id, actor=ACTOR, now_ms=services.clock()):
            return canceled, CancelAccepted()
        task = await find_task(services, task.id)  # it may have left the queue a moment ago
        configured = configured_provider(services, task)
        return task, await services.operator.cancel(task, configured, actor=ACTOR)

    task, outcome = with_services(work)
    if isinstance(outcome, NotCanceled):
        raise CommandFailed(f"{task.id} is not canceled: {outcome.reason}")
    if as_json:
        emit({"task": task.id, "accepted": True})
    elif task.state is TaskState.CANCELED:
        show(f"{task.id} is taken out of the queue; {task.provider} never got it")
    else:
        show(f"{task.provider} accepted the cancellation request for {task.id}; the next poll shows its end:")
        show(f"whenfinal reconcile --task {task.id}")


def configured_provider(services: Services, task: Task, *, hint: str = "") -> ConfiguredProvider:
    configured = services.providers.get(task.provider)
    if configured is None:
        raise CommandFailed(f"{task.provider} is not among the configured providers{hint}")
    return configured


async def find_task(services: Services, task_name: str) -> Task:
    """`task_name` is our id, or `provider/id` with the provider's. Raise CommandFailed when there is no such task."""
    provider, slash, rest = task_name.partition("/")
    tasks = services.store.tasks
    task = await (tasks.task_by_key(provider, ProviderTaskId(rest)) if slash else tasks.task(TaskId(task_name)))
    if task is None:
        raise CommandFailed(f"there is no task {task_name}; see `whenfinal tasks list`")
    return task

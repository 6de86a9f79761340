"""`whenfinal tasks settle`: say what a lost submit came to, or how a task ended."""

from dataclasses import dataclass
from typing import Annotated

import typer

from receiver.cli.commands.settle_look import look_for_all, look_for_one
from receiver.cli.commands.tasks import ACTOR, configured_provider, find_task, show_one
from receiver.cli.console import USAGE, CommandFailed, confirm, note
from receiver.cli.options import Json, Yes, options_from
from receiver.cli.runner import with_services
from receiver.runtime.durations import format_duration
from receiver.runtime.services import Services
from receiver.tasks.model.settle import OperatorEnd, OperatorId, read_end
from receiver.tasks.model.task import SettleRefused, Task
from receiver.tasks.operator import Identified, NotIdentified
from submitter.model import TERMINAL, ProviderTaskId, TaskState
from submitter.providers.json_reader import usable_id

_WAYS = ("--task-id ID", "--refused", "--succeeded URL", "--failed REASON", "--canceled", "--look")

_ONE_WAY = f"give one of {', '.join(_WAYS[:-1])} and {_WAYS[-1]}"

_UNASKED = "; --force settles without this check"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleOptions:
    """Exactly one of the first six."""

    provider_task_id: Annotated[
        str | None, typer.Option("--task-id", metavar="ID", help="It was created: the provider's id of it.")
    ] = None
    refused: Annotated[bool, typer.Option("--refused", help="Nothing was created.")] = False
    succeeded: Annotated[
        list[str] | None,
        typer.Option("--succeeded", metavar="URL", help="It succeeded: the URL of a file; may be repeated."),
    ] = None
    failed: Annotated[str | None, typer.Option("--failed", metavar="REASON", help="It failed, and why.")] = None
    canceled: Annotated[bool, typer.Option("--canceled", help="It was canceled.")] = False
    look: Annotated[
        bool,
        typer.Option("--look", help="Search the provider's list; without ID, settle each task that has one candidate."),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="With --task-id: settle without checking the id at the provider.")
    ] = False
    yes: Yes = False

    @property
    def is_one_way(self) -> bool:
        given = (self.provider_task_id is not None, self.refused, bool(self.succeeded), self.failed is not None)
        return [*given, self.canceled, self.look].count(True) == 1


TaskToSettle = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Our id tsk_…, or PROVIDER/ID with the provider's id.")
]


@options_from(SettleOptions)
def settle(task_name: TaskToSettle = None, *, given: SettleOptions, as_json: Json = False) -> None:
    if not given.is_one_way:
        raise CommandFailed(_ONE_WAY, status=USAGE)
    if given.force and given.provider_task_id is None:
        raise CommandFailed("--force goes with --task-id", status=USAGE)
    if task_name is None and not given.look:
        raise CommandFailed("name the task: whenfinal tasks settle ID …; only --look goes without", status=USAGE)
    if given.look:
        _look(task_name, yes=given.yes, as_json=as_json)
        return
    if given.provider_task_id is not None:
        settled = _adopt(str(task_name), given)
    elif given.refused:
        settled = _refuse(str(task_name), yes=given.yes)
    else:
        settled = _end(str(task_name), given)
    if isinstance(settled, SettleRefused):
        raise CommandFailed(settled.reason)
    show_one(settled, as_json=as_json)


def _look(task_name: str | None, *, yes: bool, as_json: bool) -> None:
    if task_name is None:
        look_for_all(yes=yes, as_json=as_json)
        return
    look_for_one(task_name, as_json=as_json)


def _adopt(task_name: str, given: SettleOptions) -> Task | SettleRefused:
    provider_task_id = usable_id(given.provider_task_id)
    if provider_task_id is None:
        raise CommandFailed("--task-id: that cannot be the id of a task at a provider", status=USAGE)
    task, seen = with_services(lambda services: _identify(services, task_name, provider_task_id, given))
    question = f"Settle {task.id} as {provider_task_id} without checking it at {task.provider}?"
    if seen is not None:
        note(str(seen))
        question = f"Settle {task.id} as {provider_task_id}{_consequence(seen)}?"
    confirm(question, yes=given.yes)
    named = OperatorId(
        provider_task_id=provider_task_id,
        instead_of=task.provider_task_id,
        found="" if seen is None else str(seen),
    )
    return with_services(
        lambda services: services.store.submissions.settle_adopt(task.id, named, actor=ACTOR, now_ms=services.clock())
    )


async def _identify(
    services: Services, task_name: str, provider_task_id: ProviderTaskId, given: SettleOptions
) -> tuple[Task, Identified | None]:
    """What the provider answers about the id; None with --force. Raise CommandFailed where it must not be used."""
    task = await find_task(services, task_name)
    if given.force:
        return task, None
    seen = await services.operator.identify(task, provider_task_id, configured_provider(services, task, hint=_UNASKED))
    if isinstance(seen, NotIdentified):
        raise CommandFailed(f"{seen.reason}; nothing was changed. Try again{_UNASKED}")
    if isinstance(seen, SettleRefused):
        raise CommandFailed(f"{seen.reason}; nothing was changed")
    if seen.doubts and given.yes:
        raise CommandFailed(f"{seen}: {'; '.join(seen.doubts)}; nothing was changed{_UNASKED}")
    return task, seen


def _consequence(seen: Identified) -> str:
    doubts = f", although {' and '.join(seen.doubts)}" if seen.doubts else ""
    final = "; it has ended, so the next poll makes this final" if seen.state in TERMINAL else ""
    return doubts + final


def _refuse(task_name: str, *, yes: bool) -> Task | SettleRefused:
    task = with_services(lambda services: find_task(services, task_name))
    confirm(f"Settle {task.id} as never created at {task.provider}?", yes=yes)
    return with_services(lambda services: services.operator.refuse(task.id, actor=ACTOR))


def _end(task_name: str, given: SettleOptions) -> Task | SettleRefused:
    task, end, now_ms = with_services(lambda services: _read_end(services, task_name, given))
    files = f" with {len(end.outputs)} file{'s' if len(end.outputs) > 1 else ''}" if end.outputs else ""
    confirm(f"{_as_known(task, now_ms)} End it as {end.state.value}{files}? This is final.", yes=given.yes)
    return with_services(lambda services: services.operator.end(task.id, end, actor=ACTOR))


async def _read_end(services: Services, task_name: str, given: SettleOptions) -> tuple[Task, OperatorEnd, int]:
    task = await find_task(services, task_name)
    configured = services.providers.get(task.provider)
    end = read_end(
        succeeded=given.succeeded,
        failed=given.failed,
        canceled=given.canceled,
        own_host=None if configured is None else configured.account.base_url,
    )
    return task, end, services.clock()


def _as_known(task: Task, now_ms: int) -> str:
    word = f" ({task.raw_state})" if task.raw_state and task.state is not TaskState.UNCERTAIN else ""
    age = format_duration(now_ms - (task.sent_ms or task.created_ms))
    return f"{task.id} at {task.provider} is {task.state.value}{word}, sent {age} ago."

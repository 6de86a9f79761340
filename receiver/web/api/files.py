"""The files of a finished task, through this service."""

import re
from collections.abc import Mapping

from receiver.tasks.file_requests import FileRequests
from receiver.tasks.model.file_names import file_names
from receiver.web.api.tasks import find_task
from receiver.web.endpoint import RequestContext
from receiver.web.media import MediaSlots, MediaStream, WantedFile
from receiver.web.middleware import problem_response
from receiver.web.problems import Kind, Problem
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.model import TaskState
from submitter.providers.registry import SERVES_FILES

_NUMBER = re.compile("[0-9]{1,3}")

#: A browser that opens the address by itself runs nothing of it.
_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


async def show_file(context: RequestContext[NoQuery, NoBody]) -> MediaStream:
    """Hand on one output, with the account's key where the provider's own host serves it."""
    task, services = await find_task(context), context.services
    instance = f"/v1/tasks/{task.id}"
    if task.state is not TaskState.SUCCEEDED:
        detail = f"Only a task that succeeded has files; this one is {task.state.value}."
        raise Problem(Kind.CONFLICT, detail, instance=instance)
    text = context.path_param("number")
    if not _NUMBER.fullmatch(text) or int(text) >= len(task.outputs):
        detail = f"The task has {len(task.outputs)} files; the first is number 0."
        raise Problem(Kind.NOT_FOUND, detail, instance=instance)
    output, name = task.outputs[int(text)], file_names(task.id, task.outputs)[int(text)]
    configured = services.providers.get(task.provider)
    if output.needs_key and configured is None:
        detail = f"It needs the key of {task.provider}, which is not configured any more."
        raise Problem(Kind.CONFLICT, detail, instance=instance)
    account = None if configured is None else configured.account
    files = None if account is None else SERVES_FILES.get(account.adapter)
    own, guarded = services.transport, services.webhook_transport
    slots: MediaSlots = context.request.app.state.media_slots
    wanted = WantedFile(
        requests=FileRequests(account=account, files=files, own=own, guarded=guarded),
        output=output,
        range=context.request.headers.get("range"),
        file_name=name,
        holder=context.actor,
    )
    return MediaStream(wanted, slots=slots, headers=_HEADERS, to_answer=problem_response)

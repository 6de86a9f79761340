"""One task: its request, its outputs, all that happened to it, its deliveries, and what can be done about it."""

import re

from starlette.responses import Response

from receiver.runtime.explaining import explain_task
from receiver.tasks.file_requests import FileRequests
from receiver.tasks.model.file_names import file_names
from receiver.tasks.model.reports import left_out
from receiver.tasks.model.task import Task
from receiver.web.dashboard.errors import to_page
from receiver.web.dashboard.guard import MEDIA_HEADERS, PAGE_HEADERS
from receiver.web.dashboard.live import LiveStreams, TaskStream
from receiver.web.dashboard.model.task_sheet import (
    DELIVERIES_MOST,
    FIRST_LINES,
    cures_of,
    lines_left_out,
    lines_of,
    media_kind,
    pictures_of,
    receivers_of,
    shows_media,
)
from receiver.web.dashboard.page import Page, View, session_of
from receiver.web.dashboard.session import session_cookie
from receiver.web.media import MediaSlots, MediaStream, WantedFile
from receiver.web.problems import Kind, Problem, not_found
from submitter.model import Output, TaskId
from submitter.providers.contract import Account
from submitter.providers.registry import SERVES_FILES

_NUMBER = re.compile("[0-9]{1,3}")


async def show_task(view: View) -> Page:
    task, services = await _task(view), view.services
    explanation = await explain_task(services, task)
    timeline = explanation.timeline
    configured = services.providers.get(task.provider)
    secrets = () if configured is None else configured.account.secrets
    pictures = pictures_of(task.request)
    values = {
        "task": task,
        "place": explanation.place,
        "steps": explanation.steps,
        "is_configured": configured is not None,
        "pictures": [(number, url, media_kind("", url)) for number, url in enumerate(pictures)],
        "outputs": [
            (number, output, media_kind(output.type, output.url), shows_media(output, has_key=configured is not None))
            for number, output in enumerate(task.outputs)
        ],
        "lines": lines_of(timeline, task.created_ms, secrets),
        "lines_left": lines_left_out(timeline),
        "first_lines": FIRST_LINES,
        "left_out": left_out(task.reports),
        "receivers": receivers_of(timeline),
        "receivers_most": DELIVERIES_MOST,
        "cures": cures_of(task, view.now_ms),
        "id_field": [("q", task.id)],
    }
    return Page(template="task.html", title=f"Task {task.id}", values=values)


async def show_live(view: View) -> Response:
    """Notices of what happens to a task; see `live`."""
    task, services = await _task(view), view.services
    if view.request.method == "HEAD":
        return Response(status_code=204, headers=PAGE_HEADERS)
    streams: LiveStreams = view.request.app.state.live_streams
    cookie = session_cookie(view.request)
    return TaskStream(
        feed=services.feed,
        streams=streams,
        nonce=view.session.nonce,
        task_id=task.id,
        keepalive_s=services.settings.streams.keepalive_s,
        is_signed_in=lambda: session_of(services, cookie, services.clock()) is not None,
    )


async def show_output(view: View) -> MediaStream:
    """Hand on one output, asked for with the account's key where the provider's own host serves it.

    Raise a 404 problem for none, and for one that needs the key of a provider that is not configured any more.
    """
    task, number = await _task(view), _number(view)
    if number >= len(task.outputs):
        raise not_found("output")
    output = task.outputs[number]
    configured = view.services.providers.get(task.provider)
    if not shows_media(output, has_key=configured is not None):
        detail = f"It needs the key of {task.provider}, which is not configured any more."
        raise Problem(Kind.NOT_FOUND, detail)
    name = file_names(task.id, task.outputs)[number] if view.asked("download") else None
    return _media(view, output, None if configured is None else configured.account, name)


async def show_picture(view: View) -> MediaStream:
    """Hand on one picture of the request."""
    task, number = await _task(view), _number(view)
    pictures = pictures_of(task.request)
    if number >= len(pictures):
        raise not_found("picture")
    return _media(view, Output(url=pictures[number], type="image"), None, None)


def _media(view: View, output: Output, account: Account | None, file_name: str | None) -> MediaStream:
    """For our own pages, and for a person who opens the address; no other site may fetch through us."""
    if view.request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise Problem(Kind.FORBIDDEN, "Files are shown on pages of this dashboard only.")
    slots: MediaSlots = view.request.app.state.media_slots
    files = None if account is None else SERVES_FILES.get(account.adapter)
    own, guarded = view.services.transport, view.services.webhook_transport
    wanted = WantedFile(
        requests=FileRequests(account=account, files=files, own=own, guarded=guarded),
        output=output,
        range=view.request.headers.get("range"),
        file_name=file_name,
        holder=None,
    )
    return MediaStream(wanted, slots=slots, headers=MEDIA_HEADERS, to_answer=to_page)


async def _task(view: View) -> Task:
    """Return the task of the path, by our id. Raise a 404 problem."""
    task = await view.services.store.tasks.task(TaskId(view.param("id")))
    if task is None:
        raise not_found("task")
    return task


def _number(view: View) -> int:
    text = view.param("number")
    if not _NUMBER.fullmatch(text):
        raise not_found("file")
    return int(text)

"""How long a request waits: the parameter `wait`, or the preference of RFC 7240; and the wait itself."""

import re
from typing import Any

from starlette.requests import Request

from receiver.web.endpoint import RequestContext
from receiver.web.problems import Kind, invalid, streams_full
from receiver.web.schemas.acts import RunQuery
from receiver.web.schemas.tasks import TaskQuery
from receiver.web.streaming import Disconnect
from submitter.errors import Violation
from submitter.model import TaskId

#: A wait without a number: shorter than the 60 s and 50 s after which nginx and HAProxy end a request by default.
USUAL_WAIT_S = 45

_WAIT = re.compile(r"wait\s*(?:=\s*\"?([^\s\";]*)\"?\s*)?(?:;.*)?", re.IGNORECASE | re.DOTALL)


async def wait_for_task(context: RequestContext[Any, Any], task_id: TaskId, wait_s: int) -> None:
    """Return when the task has ended, the time is over or the client has gone. Raise a 503 problem without a slot."""
    feed = context.services.feed
    if not feed.has_capacity:
        raise streams_full()
    async with Disconnect().watched(context.request.receive):
        await feed.wait_for_task(task_id, timeout_s=wait_s)


def applied(wait_s: int) -> dict[str, str]:
    return {"Preference-Applied": f"wait={wait_s}"}


def requested_wait_s(query: TaskQuery | RunQuery, max_s: int) -> int | None:
    """Return the parameter `wait`, or a wait that fits common proxies; None where it is not given.

    Raise a 400 problem for one that is too long.
    """
    if "wait" not in query.model_fields_set:
        return None
    if query.wait is None:
        return min(USUAL_WAIT_S, max_s)
    if query.wait > max_s:
        raise invalid(Kind.MALFORMED, Violation(field="wait", rule="is too long", accepted=f"0 to {max_s} seconds"))
    return query.wait


def preferred_wait_s(request: Request, max_s: int) -> int | None:
    """Return the `wait` of the Prefer header (RFC 7240): of several the first; other preferences are ignored.

    One that is too long is shortened, because it is a preference and the answer says what was applied.
    """
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    waits = (found[1] or "" for each in preferences if (found := _WAIT.fullmatch(each.strip())))
    text = next(waits, None)
    if not text:
        return None if text is None else min(USUAL_WAIT_S, max_s)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        violation = Violation(field="Prefer: wait", rule="is not a whole number in digits", accepted="seconds")
        raise invalid(Kind.MALFORMED, violation)
    return min(int(text), max_s)

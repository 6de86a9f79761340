"""From calls to the requests of httpx, and from its exceptions to values: what both shells share."""

import logging
import secrets
from time import monotonic
from typing import Any

import httpx

from submitter.client.conversation import Call, NewKey, NoReply, Now, Tell

log = logging.getLogger("submitter.client.stream")


def request_of(http: httpx.AsyncClient | httpx.Client, call: Call[Any], timeout: httpx.Timeout) -> httpx.Request:
    """The request of a call."""
    return http.build_request(
        call.method,
        call.path,
        params=httpx.QueryParams(call.params) if call.params else None,
        json=call.json,
        headers=httpx.Headers(list(call.headers)),
        timeout=timeout,
    )


def no_reply(error: httpx.RequestError) -> NoReply:
    """Whether anything was sent is known only where there was no connection."""
    return NoReply(
        reason=type(error).__name__, was_sent=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    )


def at_once(step: Now | NewKey | Tell) -> float | str | None:
    """Carry out a step that waits for nothing."""
    match step:
        case Now():
            return monotonic()
        case NewKey():
            return secrets.token_urlsafe(24)
        case Tell(text=text, is_new=is_new):
            log.log(logging.WARNING if is_new else logging.DEBUG, "%s", text)
            return None

"""From calls to the requests of httpx, and from its exceptions to values: what both shells share."""

import logging
import secrets
from time import monotonic
from typing import Any

import httpx

from submitter.client.conversation import Call, NewKey, NoReply, Now, Tell
from submitter.client.requests import checked_url

log = logging.getLogger("submitter.client.stream")


def base_of(url: str) -> httpx.URL:
    """The base of all requests. Raise ValueError for what is not the URL of a receiver."""
    base = checked_url(url)
    try:
        parsed = httpx.URL(base)
        return parsed.copy_with(host=parsed.host)  # which is decoded, and would fail with each request
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"not a URL of a receiver: {error}") from error


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

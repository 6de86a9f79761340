"""From calls to the requests of httpx, and from its exceptions to values: what both shells share."""

import logging
import os
import secrets
import socket
import ssl
from time import monotonic
from typing import Any

import httpx

from submitter.client.conversation import Call, NewKey, NoReply, Now, Tell
from submitter.client.requests import checked_url

log = logging.getLogger("submitter.client.stream")

#: The first that fits, where the system has no words of its own.
_CAUSES: tuple[tuple[type[httpx.RequestError], str], ...] = (
    (httpx.ConnectTimeout, "no connection in time"),
    (httpx.PoolTimeout, "all connections are in use"),
    (httpx.TimeoutException, "it took too long"),
    (httpx.NetworkError, "the connection broke off"),
    (httpx.RemoteProtocolError, "the connection ended before the answer, or it is no HTTP"),
)


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
    return NoReply(reason=cause_of(error), was_sent=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout))


def cause_of(error: httpx.RequestError) -> str:
    """Why there was no answer, in words: those of the system where it has any."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    for cause in reversed(causes):
        if isinstance(cause, OSError) and (words := _words_of(cause)):
            return words
    for kind, words in _CAUSES:
        if isinstance(error, kind):
            return words
    return str(error) or type(error).__name__


def _words_of(error: OSError) -> str:
    """The words of the system; "" where it has none."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS connection: {(error.reason or 'of an unknown cause').replace('_', ' ').lower()}"
        case socket.gaierror():
            words = error.strerror or ""
        case _:
            words = os.strerror(error.errno) if error.errno else ""  # those of asyncio name the address once more
    return words[:1].lower() + words[1:]


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

"""Cross-origin requests to /v1: pages of the origins in the settings may read it from a browser, and no others.

No cookie counts below /v1, so a page has no more there than the key or the stream token that it sends.
"""

from collections.abc import Callable, Sequence

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.runtime.services import Services
from receiver.web.problems import SHOWN_CHARACTERS, Kind, Problem

_METHODS = "GET, HEAD, POST, PATCH, DELETE"

_SENT = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Range, Traceparent, "
    "X-Request-Id"
)

_READ = (
    "Allow, Content-Disposition, Content-Range, Accept-Ranges, Idempotency-Replayed, Location, Preference-Applied, "
    "Retry-After, WWW-Authenticate, X-Request-Id"
)

_REMEMBERED_S = 600


class CrossOrigin:
    """Answers preflights, and lets pages of an allowed origin read answers."""

    def __init__(self, app: ASGIApp, answer: Callable[[Scope, Problem], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _origin_of(scope)
        if origin is None:
            await self._app(scope, receive, send)
            return
        services: Services = scope["state"]["services"]
        allowed = services.settings.api.cors_origins
        is_allowed = origin in allowed
        if _is_preflight(scope):
            answer = _preflight(origin) if is_allowed else self._answer(scope, _refusal(origin, allowed))
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send, origin) if is_allowed else send)


def _origin_of(scope: Scope) -> str | None:
    """The origin of a page that asks for something below /v1; None for any other request."""
    if scope["type"] != "http" or not (scope["path"] == "/v1" or scope["path"].startswith("/v1/")):
        return None
    found = [value for name, value in scope["headers"] if name == b"origin"]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


def _preflight(origin: str) -> Response:
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _SENT,
        "Access-Control-Max-Age": str(_REMEMBERED_S),
        "Vary": "Origin",
        "Cache-Control": "no-store",
    }
    return Response(status_code=204, headers=headers)


def _refusal(origin: str, allowed: Sequence[str]) -> Problem:
    shown = origin[:SHOWN_CHARACTERS]
    why = f"{shown} is not in WHENFINAL_CORS_ORIGINS" if allowed else "WHENFINAL_CORS_ORIGINS is not set"
    return Problem(Kind.ORIGIN, f"{why}, so pages of this origin cannot read the API.")


def _readable(send: Send, origin: str) -> Send:
    added = (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", _READ.encode()),
        (b"vary", b"Origin"),
    )

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return sending

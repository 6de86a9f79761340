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
    """Lets pages of an allowed origin read answers, also those of the layer that catches unexpected errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = _allowed(scope) if _is_of_api(scope) else ()
        if allowed:
            origin = _origin_of(scope)
            send = _headed(send, origin if origin in allowed else None)
        await self._app(scope, receive, send)


class Preflights:
    """Answers preflights. `CrossOrigin` adds what every answer has."""

    def __init__(self, app: ASGIApp, answer: Callable[[Scope, Problem], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _origin_of(scope) if _is_of_api(scope) and _is_preflight(scope) else None
        if origin is None:
            await self._app(scope, receive, send)
            return
        allowed = _allowed(scope)
        answer = _preflight() if origin in allowed else self._answer(scope, _refusal(origin, allowed))
        await answer(scope, receive, send)


def _is_of_api(scope: Scope) -> bool:
    path: str = scope.get("path", "")
    return scope["type"] == "http" and (path == "/v1" or path.startswith("/v1/"))


def _allowed(scope: Scope) -> Sequence[str]:
    services: Services = scope["state"]["services"]
    return services.settings.api.cors_origins


def _origin_of(scope: Scope) -> str | None:
    """The origin of the page that asks; None without one."""
    found = [value for name, value in scope["headers"] if name == b"origin"]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


def _preflight() -> Response:
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _SENT,
        "Access-Control-Max-Age": str(_REMEMBERED_S),
        "Cache-Control": "no-store",
    }
    return Response(status_code=204, headers=headers)


def _refusal(origin: str, allowed: Sequence[str]) -> Problem:
    shown = origin[:SHOWN_CHARACTERS]
    why = f"{shown} is not in WHENFINAL_CORS_ORIGINS" if allowed else "WHENFINAL_CORS_ORIGINS is not set"
    return Problem(Kind.ORIGIN, f"{why}, so pages of this origin cannot read the API.")


def _headed(send: Send, origin: str | None) -> Send:
    """With what an answer says of origins; None: it may be read by none that asks now."""
    added = [(b"vary", b"Origin")]
    if origin is not None:
        added += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _READ.encode()),
        ]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return sending

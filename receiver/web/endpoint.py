"""What a route is: one value that the application serves from and `/openapi.json` is made from.

The wrapper does what every route needs in the same order: who calls, what the query says, what the body says. A handler
gets checked values and gives an answer; anything else that can happen is a problem.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from receiver.runtime.services import Services
from receiver.web.auth import Scope, authenticate
from receiver.web.json_body import JSON_TYPES, BadJson, check_type, parse_json, read_body
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, invalid, to_json
from receiver.web.schemas.tasks import NoBody
from receiver.web.validation import check, read_query

Q = TypeVar("Q", bound=BaseModel)

B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestContext(Generic[Q, B]):
    """A request as a handler sees it. `actor` is the name of the caller's key, empty on open routes."""

    request: Request
    services: Services
    query: Q
    body: B
    actor: str = ""

    def part(self, name: str) -> str:
        """A variable part of the path."""
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is JSON values, None for an answer without one."""

    body: Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        content = None if self.body is None else to_json(self.body)
        media_type = None if self.body is None else "application/json"
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(content, status_code=self.status, media_type=media_type, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Q, B]):
    """One method of one path.

    `right` None: open to all. `answers`: status to the shape of its body, None for none. `problems`: statuses beside
    those that follow from the other fields. `optional_body`: no body at all means an empty object. `body_types`: types
    of a body that the handler reads itself, as the callbacks' does, because its bytes are what was signed. `streams`: a
    200 is a stream of events without an end, so that there is no asking for its headers alone.
    """

    method: str
    path: str
    handle: Callable[[RequestContext[Q, B]], Awaitable[Answer | Response]]
    summary: str
    query: type[Q]
    body: type[B]
    answers: Mapping[int, type[BaseModel] | None]
    problems: tuple[int, ...] = ()
    right: Scope | None = None
    optional_body: bool = False
    body_types: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    streams: bool = False

    async def serve(self, request: Request) -> Response:
        services: Services = request.state.services
        trace = trace_of(request.scope)
        trace.route = self.path
        if self.right is not None:
            trace.key = authenticate(request.scope, services.api_keys, self.right).name
        call = RequestContext(
            request=request,
            services=services,
            query=read_query(self.query, request.scope["query_string"]),
            body=await self._read_body(request, services),
            actor=trace.key or "",
        )
        answer = await self.handle(call)
        return answer.to_response() if isinstance(answer, Answer) else answer

    async def _read_body(self, request: Request, services: Services) -> B:
        if self.body is NoBody:
            return self.body()
        if "content-type" not in request.headers and self.optional_body:
            body = await read_body(request, max_bytes=services.settings.api.max_bytes)
            if not body:
                return self.body()
        return await read_json(request, self.body, max_bytes=services.settings.api.max_bytes)


async def read_json(request: Request, model: type[B], *, max_bytes: int) -> B:
    """Raise the problem of a body: 415, 413, 400 where it is no good JSON, 422 where it breaks the model's rules."""
    check_type(request, JSON_TYPES)
    body = await read_body(request, max_bytes=max_bytes)
    try:
        value = parse_json(body)
    except BadJson as error:
        raise invalid(Kind.MALFORMED, error.violation) from None
    return check(model, value, Kind.INVALID)

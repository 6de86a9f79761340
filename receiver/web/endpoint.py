"""An endpoint: one method of one path, as a value that the application serves and `/openapi.json` describes.

`serve` does for every endpoint the same in the same order: authenticate, check the query, check the body. A handler
gets checked values and returns an answer; it raises a problem for everything else.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from receiver.config.api_keys import Scope
from receiver.runtime.services import Services
from receiver.web.auth import ANYBODY, Caller, authenticate, authenticate_token, check_unlimited
from receiver.web.bodies import Bodies, Reading
from receiver.web.json_body import JSON_TYPES, BadJson, check_type, parse_json
from receiver.web.middleware import trace_of
from receiver.web.problems import Kind, invalid, to_json
from receiver.web.schemas.tasks import NoBody
from receiver.web.validation import check, read_query
from submitter.api import ApiModel

Q = TypeVar("Q", bound=BaseModel)

B = TypeVar("B", bound=BaseModel)

TOKEN = "token"  # noqa: S105 - the name of a parameter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestContext(Generic[Q, B]):
    """A request as a handler sees it."""

    request: Request
    services: Services
    query: Q
    body: B
    caller: Caller

    @property
    def actor(self) -> str:
        """The caller as audit lines name it."""
        return self.caller.actor

    def path_param(self, name: str) -> str:
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer:
    """`body` is a model or JSON values, None for an answer without a body."""

    body: ApiModel | Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        values = self.body.json_values() if isinstance(self.body, ApiModel) else self.body
        headers = {"Cache-Control": "no-store", **self.headers}
        if values is None:
            return Response(status_code=self.status, headers=headers)
        return Response(to_json(values), status_code=self.status, media_type="application/json", headers=headers)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    #: Its annotation, `RequestContext[Query, Body]`, names the models of the query and the body.
    handle: Callable[[RequestContext[Any, Any]], Awaitable[JsonAnswer | Response]]
    #: The `operationId` of the description: the name of a method in a generated client.
    name: str
    tag: str
    summary: str
    description: str
    #: The model of the body by status, None for an answer without one or with one of no model.
    answers: Mapping[int, type[ApiModel] | None]
    #: The type of an answer of no model; that of JSON unless it says another.
    media_type: str = "application/json"
    #: Statuses of problems beside those that follow from the other fields.
    problems: tuple[int, ...] = ()
    #: None: open to all.
    scope: Scope | None = None
    #: The handler keeps to the limits of the caller's key. Any other one is about the whole service, and refuses a
    #: limited key.
    keeps_limits: bool = False
    #: A key of this scope shows more; without one the answer is the same for all.
    optional_scope: Scope | None = None
    #: No body at all means an empty object.
    optional_body: bool = False
    #: Types of a body that the handler reads itself, as that of a callback, because its bytes are what was signed.
    body_types: frozenset[str] = frozenset()
    #: Description and example of each header that the handler reads.
    headers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: A stream token in the parameter `token` counts in place of a key.
    takes_token: bool = False
    #: A 200 is an endless stream of events, so HEAD is not allowed.
    streams: bool = False

    @cached_property
    def query(self) -> type[BaseModel]:
        return self._models[0]

    @cached_property
    def body(self) -> type[BaseModel]:
        return self._models[1]

    @property
    def _models(self) -> tuple[type[BaseModel], type[BaseModel]]:
        context = next(iter(get_type_hints(self.handle).values()))
        query, body = get_args(context)
        return query, body

    async def serve(self, request: Request) -> Response:
        """Answer a request. Raise a Problem for one that is not authenticated, not allowed or not valid."""
        services: Services = request.state.services
        trace = trace_of(request.scope)
        trace.route = self.path
        caller = await self._authenticated(request, services)
        trace.key = caller.name or None
        if not self.keeps_limits:
            check_unlimited(caller)
        context = RequestContext(
            request=request,
            services=services,
            query=read_query(self.query, request.scope["query_string"]),
            body=await self._read_body(request),
            caller=caller,
        )
        answer = await self.handle(context)
        return answer.to_response() if isinstance(answer, JsonAnswer) else answer

    async def _authenticated(self, request: Request, services: Services) -> Caller:
        if self.scope is None:
            return ANYBODY
        token = request.query_params.get(TOKEN) if self.takes_token else None
        if token is None:
            return await authenticate(request.scope, services.keyring, self.scope)
        return await authenticate_token(token, services.keyring, services.secret_keys, services.clock())

    async def _read_body(self, request: Request) -> BaseModel:
        """Return the checked body. Raise a problem: 415, 413, 400 for bad JSON, 422 for JSON that breaks a rule."""
        if self.body is NoBody:
            return self.body()
        may_be_empty = self.optional_body and "content-type" not in request.headers
        if not may_be_empty:
            check_type(request, JSON_TYPES)
        bodies: Bodies = request.app.state.bodies
        async with Reading(request.receive, request.scope["headers"], bodies.api) as body:
            if may_be_empty and body:
                check_type(request, JSON_TYPES)
            return await bodies.parsed(body, self._checked) if body or not may_be_empty else self.body()

    def _checked(self, body: bytes) -> BaseModel:
        try:
            value = parse_json(body)
        except BadJson as error:
            raise invalid(Kind.MALFORMED, error.violation) from None
        return check(self.body, value, Kind.INVALID)

"""`/openapi.json`, made from the table of routes and the pydantic models, so that it cannot say anything else. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from receiver.events.model.sse import MEDIA_TYPE as EVENT_STREAM
from receiver.web.endpoint import Endpoint
from receiver.web.problems import MEDIA_TYPE
from receiver.web.schemas.tasks import NoBody, ProblemShape

_REF = "#/components/schemas/{model}"

_PART = re.compile(r"\{([a-z_]+)\}")

_REQUEST_ID = {"X-Request-Id": {"description": "Echoes the request's own.", "schema": {"type": "string"}}}

Operations = Sequence[Endpoint[Any, Any]]

Schemas = Mapping[type[BaseModel], Mapping[str, Any]]


def build_document(routes: Operations, *, version: str, server: str) -> dict[str, Any]:
    references, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "whenfinal", "version": version},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def statuses(route: Endpoint[Any, Any]) -> tuple[int, ...]:
    """Every status that a route may answer with, in order."""
    found = {*route.answers, 400, 500, *route.problems}
    if route.right is not None:
        found |= {401, 403}
    if route.body is not NoBody:
        found |= {413, 415, 422}
    if route.body is not NoBody or route.body_types:
        found |= {408}
    return tuple(sorted(found))


def _schemas(routes: Operations) -> tuple[Schemas, Mapping[str, Any]]:
    read: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    written: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemShape, "serialization")]
    for route in routes:
        read += [(model, "validation") for model in (route.body, route.query)]
        written += [(model, "serialization") for model in route.answers.values() if model is not None]
    wanted = list(dict.fromkeys(read + written))
    by_model, definitions = models_json_schema(wanted, ref_template=_REF)
    unwanted = {"NoBody", *(str(route.query.__name__) for route in routes)}
    components = {name: schema for name, schema in definitions["$defs"].items() if name not in unwanted}
    return {model: by_model[model, mode] for model, mode in wanted}, components


def _operation(route: Endpoint[Any, Any], references: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": {str(status): _response(route, status, references) for status in statuses(route)},
    }
    if route.body is not NoBody:
        content = {"application/json": {"schema": references[route.body]}}
        described["requestBody"] = {"required": not route.optional_body, "content": content}
    elif route.body_types:
        content = {kind: {"schema": {"type": "object"}} for kind in sorted(route.body_types)}
        described["requestBody"] = {"required": True, "content": content}
    if route.right is not None:
        described["security"] = [{"key": [route.right.value]}]
        described["x-scope"] = route.right.value
    return described


def _operation_id(route: Endpoint[Any, Any]) -> str:
    words = re.findall(r"[a-z0-9]+", f"{route.method.lower()} {route.path}")
    return "_".join(words)


def _parameters(route: Endpoint[Any, Any]) -> Iterator[dict[str, Any]]:
    for name in _PART.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for name, text in route.headers.items():
        yield {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
    schema = route.query.model_json_schema(ref_template=_REF)
    for name, found in schema.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": False, "schema": _inlined(found, schema.get("$defs", {}))}
        yield parameter | ({"description": found["description"]} if "description" in found else {})


def _inlined(found: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is absent, not null; its few words stand where it does."""
    options = [each for each in found.get("anyOf", [found]) if each != {"type": "null"}]
    schema: dict[str, Any] = dict(options[0])
    if "$ref" in schema:
        schema = dict(definitions[schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        schema["items"] = _inlined(schema["items"], definitions)
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}


def _response(route: Endpoint[Any, Any], status: int, references: Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": _REQUEST_ID}
    if status not in route.answers:
        response["content"] = {MEDIA_TYPE: {"schema": references[ProblemShape]}}
    elif route.streams:
        text = "`id` is the event's seq, `event` its type, `data` the event as /v1/events has it, in one line."
        response["content"] = {EVENT_STREAM: {"schema": {"type": "string", "description": text}}}
    elif status != HTTPStatus.NO_CONTENT:
        model = route.answers[status]
        response["content"] = {
            "application/json": {"schema": {"type": "object"} if model is None else references[model]}
        }
    return response

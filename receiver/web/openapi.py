"""`/openapi.json`, made from the table of endpoints and their models, so that it cannot differ from them."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from receiver.events.model.sse import MEDIA_TYPE as EVENT_STREAM
from receiver.web import examples
from receiver.web.endpoint import Endpoint
from receiver.web.problems import MEDIA_TYPE
from receiver.web.routes import TAGS
from receiver.web.schemas.tasks import NoBody
from submitter.api import Problem

_REF = "#/components/schemas/{model}"

_REQUEST_ID = {
    "X-Request-Id": {
        "description": "The id of the request: the caller's own or a new one.",
        "schema": {"type": "string"},
        "example": "req_5f0c2a9be17d44c3a1b6d208",
    }
}

_DESCRIPTION = "Submit tasks to video providers, and get exactly one reliable completion event for each."

_CALLBACK_BODY = {"title": "CallbackBody", "description": "What the provider documents.", "type": "object"}

Endpoints = Sequence[Endpoint]

Schemas = Mapping[type[BaseModel], Mapping[str, Any]]


def build_document(routes: Endpoints, *, version: str) -> dict[str, Any]:
    """Return the document. It says that the API is on the host that the document comes from."""
    references, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in routes:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "whenfinal",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def statuses(endpoint: Endpoint) -> tuple[int, ...]:
    """Return every status that an endpoint may answer with, in order."""
    found = {*endpoint.answers, 400, 500, *endpoint.problems}
    if endpoint.scope is not None:
        found |= {401, 403, 503}  # all of them need the ledger
    if "{id}" in endpoint.path or "{name}" in endpoint.path:
        found |= {404}
    if endpoint.body is not NoBody:
        found |= {413, 415, 422}
    if endpoint.body is not NoBody or endpoint.body_types:
        found |= {408}
    return tuple(sorted(found))


def _schemas(routes: Endpoints) -> tuple[Schemas, Mapping[str, Any]]:
    """Return a reference to the schema of each model, and the schemas by name.

    They have no defaults: generated clients would require, or send, what the caller of the API may leave out.
    """
    bodies = [endpoint.body for endpoint in routes if endpoint.body is not NoBody]
    answers: list[type[BaseModel]] = [Problem]
    answers += [model for endpoint in routes for model in endpoint.answers.values() if model is not None]
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in dict.fromkeys(bodies)]
    wanted += [(model, "serialization") for model in dict.fromkeys(answers)]
    by_model, definitions = models_json_schema(wanted, ref_template=_REF)
    components = {**definitions["$defs"], "CallbackBody": _CALLBACK_BODY}
    for component in components.values():
        for member in component.get("properties", {}).values():
            member.pop("default", None)
    return {model: by_model[model, mode] for model, mode in wanted}, components


def _operation(endpoint: Endpoint, references: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": list(_parameters(endpoint)),
        "responses": {str(status): _response(endpoint, status, references) for status in statuses(endpoint)},
    }
    if endpoint.body is not NoBody:
        content = {"application/json": _content(endpoint.body, references)}
        described["requestBody"] = {"required": not endpoint.optional_body, "content": content}
    elif endpoint.body_types:
        media = {"schema": {"$ref": _REF.format(model="CallbackBody")}, "example": examples.CALLBACK}
        described["requestBody"] = {"required": True, "content": dict.fromkeys(sorted(endpoint.body_types), media)}
    if endpoint.scope is not None:
        described["security"] = [{"key": [endpoint.scope.value]}]
        described["x-scope"] = endpoint.scope.value
    if endpoint.optional_scope is not None:
        described["security"] = [{}, {"key": [endpoint.optional_scope.value]}]
    return described


def _content(model: type[BaseModel], references: Schemas) -> dict[str, Any]:
    return {"schema": references[model], "example": examples.BODIES[model]}


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for before, part in pairwise(endpoint.path.split("/")):
        if part.startswith("{"):
            description, example = examples.PATH_PARAMS[f"{before}/{part}"]
            yield _parameter(part.strip("{}"), "path", description, example) | {"required": True}
    for name, (description, example) in endpoint.headers.items():
        yield _parameter(name, "header", description, example)
    schema = endpoint.query.model_json_schema(ref_template=_REF)
    for name, found in schema.get("properties", {}).items():
        parameter = _parameter(name, "query", found["description"], found["examples"][0])
        is_required = name in schema.get("required", ())
        yield parameter | {"required": is_required, "schema": _inlined(found, schema.get("$defs", {}))}


def _parameter(name: str, place: str, description: str, example: object) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": False,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }


def _inlined(found: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without references, and without null: a parameter that is not given is absent."""
    options = [each for each in found.get("anyOf", [found]) if each != {"type": "null"}]
    schema: dict[str, Any] = dict(options[0])
    if "$ref" in schema:
        schema = dict(definitions[schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        schema["items"] = _inlined(schema["items"], definitions)
    return {key: value for key, value in schema.items() if key not in {"title", "description", "examples"}}


def _response(endpoint: Endpoint, status: int, references: Schemas) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase, "headers": _REQUEST_ID}
    if status not in endpoint.answers:
        response["content"] = {MEDIA_TYPE: _content(Problem, references)}
        return response
    model = endpoint.answers[status]
    if endpoint.streams:
        text = (
            "`id` is the event's seq, `event` its type, `data` the event as /v1/events has it, in one line. The event "
            "`hello` only has the cursor: it comes first, and again when conditions left out events."
        )
        schema = {"type": "string", "description": text}
        response["content"] = {EVENT_STREAM: {"schema": schema, "example": examples.STREAM}}
    elif model is not None:
        response["content"] = {"application/json": _content(model, references)}
    elif status != HTTPStatus.NO_CONTENT:
        response["content"] = {endpoint.media_type: examples.WITHOUT_MODEL[endpoint.media_type]}
    return response

"""`/openapi.json` is true to the code: the same routes, methods and models, and the answers fit what it says."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.routing import Route

from receiver.runtime.services import Services
from receiver.web import examples
from receiver.web.app import build_app
from receiver.web.openapi import statuses
from receiver.web.routes import ROUTES
from receiver.web.schemas.tasks import NoBody
from submitter import api
from submitter.model import TaskState
from tests.support.builders import T0, a_report, a_task, notified
from tests.support.service import ORDER, Served, served, served_with_simulator
from tests.support.subscriptions_over_http import create_subscription


async def _document(service: Served) -> dict[str, Any]:
    document: dict[str, Any] = (await service.http.get("/openapi.json")).json()
    return document


@asynccontextmanager
async def _no_services() -> AsyncIterator[Services]:
    raise AssertionError("an app is built without opening anything")
    yield


def _check(document: dict[str, Any], value: object, method: str, path: str, status: int) -> None:
    content = document["paths"][path][method]["responses"][str(status)]["content"]
    (media,) = content.values()
    schema = {**media["schema"], "components": document["components"]}
    OAS31Validator(schema).validate(value)


async def test_the_document_is_valid_openapi(service: Served) -> None:
    validate(await _document(service))


async def test_the_document_has_the_routes_and_methods_of_the_application_and_no_others(service: Served) -> None:
    app = build_app(_no_services, has_dashboard=False)  # its pages are for people
    served_routes = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    paths = (await _document(service))["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == served_routes


async def test_each_body_is_described_by_the_model_that_reads_it(service: Served) -> None:
    document = await _document(service)
    for route in ROUTES:
        if route.body is NoBody:
            continue
        described = document["paths"][route.path][route.method.lower()]["requestBody"]["content"]["application/json"]
        name = described["schema"]["$ref"].rpartition("/")[2]
        expected = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        expected.pop("$defs", None)
        for member in expected.get("properties", {}).values():
            member.pop("default", None)  # generated clients would require or send it
        assert document["components"]["schemas"][name] == expected


async def test_each_query_parameter_is_described_and_no_other(service: Served) -> None:
    document = await _document(service)
    for route in ROUTES:
        parameters = document["paths"][route.path][route.method.lower()]["parameters"]
        assert {each["name"] for each in parameters if each["in"] == "query"} == set(route.query.model_fields)


async def test_each_closed_route_names_its_scope(service: Served) -> None:
    document = await _document(service)
    for route in ROUTES:
        described = document["paths"][route.path][route.method.lower()]
        scope = route.scope or route.optional_scope
        expected = None if scope is None else [{"key": [scope.value]}]
        assert described.get("security") == ([{}, *(expected or [])] if route.optional_scope else expected)


async def test_the_task_of_the_document_is_the_task_that_is_shown(service: Served) -> None:
    values = api.Task.model_validate(a_task(labels={"a": "b"})).json_values()
    schema = (await _document(service))["components"]["schemas"]["Task"]
    assert list(values) == list(schema["properties"]) == schema["required"]


def _findings(value: object, wanted: Callable[[Mapping[str, Any]], bool], place: str = "") -> list[str]:
    """The places of the objects in a document that are wanted."""
    if isinstance(value, dict):
        found = [place] if wanted(value) else []
        return found + [each for key, inner in value.items() for each in _findings(inner, wanted, f"{place}/{key}")]
    if isinstance(value, list):
        return [each for at, inner in enumerate(value) for each in _findings(inner, wanted, f"{place}/{at}")]
    return []


async def test_bounds_are_in_the_words_of_json_schema(service: Served) -> None:
    document = await _document(service)
    bounds = {"ge", "le", "gt", "lt"}
    assert _findings(document, lambda value: any(isinstance(value.get(word), int | float) for word in bounds)) == []
    parameters = document["paths"]["/v1/tasks"]["get"]["parameters"]
    (limit,) = (each["schema"] for each in parameters if each["name"] == "limit")
    assert limit == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}


async def test_components_have_names_of_their_own_that_show_no_module(service: Served) -> None:
    schemas = (await _document(service))["components"]["schemas"]
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in schemas)
    assert [schema["title"] for schema in schemas.values()] == list(schemas)


async def test_answers_may_get_new_members_and_requests_may_not(service: Served) -> None:
    document = await _document(service)
    closed = _findings(document["components"], lambda value: value.get("additionalProperties") is False)
    closed_names = {place.removeprefix("/schemas/") for place in closed}
    requests = {route.body.__name__ for route in ROUTES if route.body is not NoBody}
    assert closed_names == requests | {"VideoRequest", "RawRequest", "NotifyRequest", "BatchTask", "StreamConditions"}


async def test_every_operation_and_parameter_has_a_description_and_an_example(service: Served) -> None:
    document = await _document(service)
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"submitTask", "listTasks"} <= set(names)
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= tags
        for parameter in operation["parameters"]:
            assert parameter["description"], (operation["operationId"], parameter["name"])
            OAS31Validator(parameter["schema"]).validate(parameter["example"])
        answers = [*operation["responses"].values(), operation.get("requestBody", {})]
        assert all("example" in media for each in answers for media in each.get("content", {}).values())


async def test_every_example_fits_its_model_and_shows_each_member_that_is_always_there(service: Served) -> None:
    schemas = (await _document(service))["components"]["schemas"]
    for model, example in examples.BODIES.items():
        model.model_validate(dict(example))
        assert set(schemas[model.__name__].get("required", ())) <= set(example)
        assert set(example) <= set(schemas[model.__name__]["properties"])


async def test_the_api_is_where_its_description_is(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_PUBLIC_URL="https://callbacks.example") as service:
        assert (await _document(service))["servers"] == [{"url": "/"}]


async def test_the_answers_fit_the_document(service: Served) -> None:
    document = await _document(service)
    running: dict[str, Any] = {"state": TaskState.RUNNING, "next_poll_ms": None}
    made = await create_subscription(service)
    await service.services.store.submissions.open_task(notified("tsk_1", provider_task_id="p1", **running), T0)
    await service.services.store.ledger.record([a_report(provider_task_id="p1")], T0 + 1000)
    found = (await service.get("/v1/deliveries")).json()["deliveries"]
    assert {each["subscription"] for each in found} == {made["id"], None}
    run = (await service.post("/v1/tasks/reconcile", {"all": True})).json()["id"]
    names = {"tasks": "tsk_1", "subscriptions": made["id"], "deliveries": found[0]["id"], "runs": run}
    names["keys"] = "setting_all"
    await service.services.store.accounts.pause("hiapi", until_ms=2**52, reason="denied", alarm="why", now_ms=T0)
    for route in ROUTES:
        if route.method == "GET" and not route.streams and route.name != "getFile":
            kind = route.path.removeprefix("/v1/").partition("/")[0]
            provider = "dashscope" if route.name == "getCallbackAddress" else "hiapi"
            path = route.path.replace("{id}", names.get(kind, "")).replace("{name}", provider)
            path += "?text=tsk_1" if route.name == "findTasks" else ""
            reply = await service.get(path)
            assert reply.status_code == 200, route.path
            value = reply.json() if route.media_type == "application/json" else reply.text
            _check(document, value, "get", route.path, 200)


async def test_a_submit_a_report_and_a_problem_fit_the_document(tmp_path: Path) -> None:
    async with served_with_simulator(tmp_path) as (service, sim):
        document = await _document(service)
        sim.plan("hiapi", [[], ["submit_503"], ["submit_503"], ["submit_503"]])
        order = {**ORDER, "notify": {"url": "http://127.0.0.1:9/hook"}, "queue_for_s": 0}
        for status in (202, 503):
            reply = await service.post("/v1/tasks", order)
            assert reply.status_code == status
            _check(document, reply.json(), "post", "/v1/tasks", status)
        _check(document, (await service.post("/v1/tasks", {})).json(), "post", "/v1/tasks", 422)
        _check(document, (await service.post("/v1/reconcile", {"dry_run": True})).json(), "post", "/v1/reconcile", 200)


def test_every_problem_status_of_a_route_is_described() -> None:
    for route in ROUTES:
        assert {400, 500} <= set(statuses(route))
        assert (408 in statuses(route)) == (route.body is not NoBody or bool(route.body_types))
        assert route.scope is None or {401, 403} <= set(statuses(route))

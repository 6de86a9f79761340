"""Pages of other origins: those of the settings read the API from a browser, others get no word of it."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from receiver.runtime.keyring import Keyring
from tests.support.service import Served, a_callback_body, is_problem, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://app.example.com"
OTHER = "https://app.example.com.evil.example"


@pytest_asyncio.fixture(name="service", scope="module", loop_scope="module")
async def _service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    origins = f"http://127.0.0.1:5173,{PAGE}"
    async with served(tmp_path_factory.mktemp("cors"), WHENFINAL_CORS_ORIGINS=origins) as service:
        yield service


async def _preflight(service: Served, origin: str, path: str = "/v1/tasks", method: str = "POST") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,last-event-id,prefer",
    }
    return await service.http.options(path, headers=headers)


def _cors(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("access-control")}


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/tsk_1", "/v1/events", "/v1/events/stream", "/v1/keys"])
async def test_a_preflight_of_an_allowed_origin_says_what_may_be_sent(service: Served, path: str) -> None:
    reply = await _preflight(service, PAGE, path)
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == PAGE
    sent = {each.strip().lower() for each in reply.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "prefer", "last-event-id"} <= sent
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(reply.headers["access-control-allow-methods"].split(", "))
    assert "Origin" in reply.headers["vary"]
    assert "access-control-allow-credentials" not in reply.headers
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "HTTPS://APP.EXAMPLE.COM",
        "null",
        "*",
        "",
        f"{PAGE}, {PAGE}",
        "x" * 5_000,
        "\xff",
    ],
)
async def test_an_origin_that_is_not_allowed_is_refused_in_words_and_gets_no_header(
    service: Served, origin: str
) -> None:
    refused = await service.http.options(
        "/v1/tasks", headers={b"origin": origin.encode("latin-1"), b"access-control-request-method": b"POST"}
    )
    problem = is_problem(refused, 403)
    assert "WHENFINAL_CORS_ORIGINS" in problem["detail"]
    assert len(problem["detail"]) < 500
    headers = {b"origin": origin.encode("latin-1"), b"authorization": service.key("all")["Authorization"].encode()}
    answered = await service.http.get("/v1/tasks", headers=headers)
    assert answered.status_code == 200
    assert _cors(refused) == _cors(answered) == {}


async def test_a_page_of_an_allowed_origin_reads_answers_and_problems(service: Served) -> None:
    origin = {"Origin": PAGE}
    listed = await service.get("/v1/tasks", headers=origin)
    replies = [
        listed,
        await service.http.get("/v1/tasks", headers=origin),
        await service.get("/v1/tasks/none", headers=origin),
        await service.get("/v1/nowhere", headers=origin),
        await service.get("/v1/tasks?limit=x", headers=origin),
        await service.post("/v1/tasks", {}, headers=origin),
    ]
    assert [reply.status_code for reply in replies] == [200, 401, 404, 404, 400, 422]
    for reply in replies:
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert "X-Request-Id" in reply.headers["access-control-expose-headers"]
        assert {"Location", "Retry-After"} <= set(reply.headers["access-control-expose-headers"].split(", "))
        assert "access-control-allow-credentials" not in reply.headers
    async with service.http.stream("GET", "/v1/events/stream", headers={**service.key("all"), **origin}) as stream:
        assert stream.headers["access-control-allow-origin"] == PAGE


async def test_nothing_beside_v1_is_for_pages_of_other_origins(service: Served) -> None:
    await service.has("tsk_cors", "p-cors")
    callback = await service.calls_back(
        service.callback_path("tsk_cors"),
        json=a_callback_body(provider_task_id="p-cors"),
        headers={"Origin": PAGE},
    )
    assert callback.status_code == 204
    replies = [callback]
    for path in ("/healthz", "/metrics", "/openapi.json", "/ops", "/v12", "/callbacks/hiapi/x"):
        replies += [await service.get(path, headers={"Origin": PAGE}), await _preflight(service, PAGE, path)]
    assert [_cors(reply) for reply in replies] == [{}] * len(replies)


async def test_several_origins_are_none(service: Served) -> None:
    headers = [("Origin", PAGE), ("Origin", OTHER), *service.key("all").items()]
    assert _cors(await service.http.get("/v1/tasks", headers=headers)) == {}


async def test_options_without_a_preflight_is_a_method_that_is_not_allowed(service: Served) -> None:
    reply = await service.http.options("/v1/events", headers={"Origin": PAGE})
    is_problem(reply, 405)
    assert reply.headers["allow"] == "GET, HEAD"


async def test_without_the_setting_no_origin_is_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with served(tmp_path_factory.mktemp("closed")) as closed:
        refused = await _preflight(closed, PAGE)
        assert "is not set" in is_problem(refused, 403)["detail"]
        assert _cors(await closed.get("/v1/tasks", headers={"Origin": PAGE})) == {}


async def test_an_answer_of_the_outermost_layer_can_be_read_too(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose head is refused, and one that fails where nobody expected it."""
    page = {"Origin": PAGE}
    is_problem(await _readable_by(service, "/v1/tasks/%ff", page), 400)

    async def failing(*_: object, **__: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(Keyring, "find", failing)
    is_problem(await _readable_by(service, "/v1/tasks", page), 500)


async def _readable_by(service: Served, path: str, headers: dict[str, str]) -> httpx.Response:
    reply = await service.http.get(path, headers={**service.key("all"), **headers})
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in reply.headers["access-control-expose-headers"].lower()
    return reply


@pytest.mark.parametrize("origin", [None, OTHER, PAGE])
async def test_whoever_keeps_answers_is_told_that_they_depend_on_the_origin(
    service: Served, origin: str | None
) -> None:
    headers = service.key("all") if origin is None else {**service.key("all"), "Origin": origin}
    for path in ("/v1/tasks", "/v1/tasks/tsk_none", "/v1/none", "/v1/tasks/%ff"):
        varies = (await service.http.get(path, headers=headers)).headers.get_list("vary", split_commas=True)
        assert [each for each in varies if each.lower() == "origin"] == ["Origin"], path
    assert "Origin" not in (await service.http.get("/openapi.json", headers=headers)).headers.get("vary", "")

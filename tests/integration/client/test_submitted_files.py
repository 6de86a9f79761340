"""Lines of a file whose answer never comes are repeated under their keys, and named if they are still unsure."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.cli import submitting
from receiver.cli.commands.submit_file import RequestLine
from receiver.cli.submitting import LineResult, SubmitRun, batches, with_keys
from submitter.client.client import Client
from submitter.errors import ReceiverRefused
from tests.support.service import ORDER, Served


def _lines(count: int, *, size: int = 100) -> list[RequestLine]:
    return [RequestLine(number=number, body=ORDER, key=None, size=size) for number in range(1, count + 1)]


class _Losing(httpx.AsyncBaseTransport):
    """Carries requests out and loses the first answers."""

    def __init__(self, lost: int) -> None:
        self.inner = httpx.AsyncHTTPTransport()
        self.lost = lost

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inner.handle_async_request(request)
        if self.lost:
            self.lost -= 1
            await answer.aread()
            raise httpx.ReadError("the answer is lost")
        return answer

    async def aclose(self) -> None:
        await self.inner.aclose()


async def _run(
    service: Served, lost: int, lines: list[RequestLine], transport: httpx.AsyncBaseTransport | None = None
) -> list[LineResult]:
    results: list[LineResult] = []
    async with Client(service.url, "key-with-every-scope-0001", transport=transport or _Losing(lost)) as client:
        run = SubmitRun(client=client, wait=False, until_s=None, on_result=results.append, is_inside=False)
        await run.submit_all(lines)
    return results


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "REPEAT_PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr("submitter.client.conversation.RETRY_PAUSES_S", (0.01,))


async def _tasks(service: Served) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = (await service.get("/v1/tasks?limit=200")).json()["tasks"]
    return tasks


async def test_lines_whose_answer_was_lost_are_sent_again_and_made_once(service: Served) -> None:
    results = await _run(service, 3, with_keys(_lines(3)))
    assert [(each.number, each.error) for each in results if each.task is not None] == [(1, None), (2, None), (3, None)]
    assert len(await _tasks(service)) == 3


def _problem(status: int, kind: str) -> httpx.Response:
    problem = {"type": f"urn:whenfinal:problem:{kind}", "title": "No", "status": status, "request_id": "req_1"}
    return httpx.Response(status, headers={"content-type": "application/problem+json"}, json=problem)


class _LosingThenRefusing(_Losing):
    """Carries the first request out and loses its answer; refuses the others."""

    def __init__(self, refusal: httpx.Response, lost: int) -> None:
        super().__init__(lost)
        self.refusal = refusal

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(request) if self.lost else self.refusal


REFUSALS = [(503, "unavailable"), (500, "internal"), (401, "unauthenticated")]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
@pytest.mark.parametrize("lost", [1, 2], ids=["within the client", "before a repeat"])
async def test_lines_whose_repeat_is_refused_are_named_with_their_keys(
    service: Served, status: int, kind: str, lost: int
) -> None:
    lines = with_keys(_lines(2))
    results = await _run(service, 0, lines, transport=_LosingThenRefusing(_problem(status, kind), lost))
    assert [each.number for each in results] == [1, 2]
    for result, line in zip(results, lines, strict=True):
        assert f"submit it again with the idempotency key {line.key}, and it is never paid twice" in str(result.problem)
    assert len(await _tasks(service)) == 2


@pytest.mark.parametrize(("status", "kind"), [(503, "unavailable"), (401, "unauthenticated")])
async def test_a_batch_that_was_refused_at_once_is_not_unsure(service: Served, status: int, kind: str) -> None:
    with pytest.raises(ReceiverRefused):
        await _run(service, 0, with_keys(_lines(2)), transport=_LosingThenRefusing(_problem(status, kind), 0))


async def test_a_line_that_the_service_failed_to_store_is_named_with_its_key(service: Served, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        ledger.execute("CREATE TRIGGER full BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    lines = with_keys(_lines(1))
    (result,) = await _run(service, 0, lines)
    assert f"submit it again with the idempotency key {lines[0].key}, and it is never paid twice" in str(result.problem)


async def test_lines_that_are_still_unsure_are_named_with_their_keys(service: Served) -> None:
    lines = with_keys(_lines(2))
    results = await _run(service, 100, lines)
    assert [each.number for each in results] == [1, 2]
    for result, line in zip(results, lines, strict=True):
        assert result.task is None
        assert f"submit it again with the idempotency key {line.key}, and it is never paid twice" in str(result.problem)
    assert len(await _tasks(service)) == 2


def test_large_lines_go_in_smaller_batches() -> None:
    assert [len(batch) for batch in batches(_lines(45), 20)] == [20, 20, 5]
    assert [len(batch) for batch in batches(_lines(3, size=submitting.BATCH_BYTES), 20)] == [1, 1, 1]
    assert list(batches([], 20)) == []

"""A provider tests a callback address with a message that must be answered, over a socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from submitter.http.messages import Callback
from submitter.providers.json_reader import read_object
from submitter.providers.registry import ANSWERS_CHALLENGES
from tests.support.service import Served, is_problem, served


def _answer(callback: Callback) -> dict[str, str] | None:
    challenge = (read_object(callback.body) or {}).get("challenge")
    return {"challenge": challenge} if isinstance(challenge, str) else None


@pytest.fixture(name="service")
async def _service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    part: Any = SimpleNamespace(challenge_answer=_answer)
    monkeypatch.setitem(ANSWERS_CHALLENGES, "hiapi", part)
    async with served(tmp_path) as service:
        await service.has()
        yield service


@pytest.mark.parametrize("text", ["c-1", "", "{the id of the request}", 'a "quoted" \u00e9 text'])
async def test_a_challenge_at_our_own_address_is_answered_with_itself(service: Served, text: str) -> None:
    with capture_logs() as lines:
        reply = await service.calls_back(json={"challenge": text})
    assert (reply.status_code, reply.json()) == (200, {"challenge": text})
    assert [line for line in lines if line["log_level"] in {"warning", "error"}] == []
    assert await service.services.store.events.events(0) == []


@pytest.mark.parametrize("path", ["/callbacks/hiapi/no-token-of-ours", "/callbacks/hiapi", "/callbacks/dashscope"])
async def test_a_stranger_gets_no_answer_to_a_challenge(service: Served, path: str) -> None:
    is_problem(await service.calls_back(path, json={"challenge": "c-1"}), 401)


async def test_a_challenge_for_another_provider_is_only_a_malformed_callback(service: Served) -> None:
    is_problem(await service.calls_back(service.callback_path("tsk_1", "dashscope"), json={"challenge": "c"}), 400)

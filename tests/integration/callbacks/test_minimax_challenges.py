"""MiniMax's challenge at a real service: answered at a task's own address and nowhere else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.service import UNREACHABLE, Served, is_problem, served

PROVIDERS = ("minimax",)
every_provider = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    keys: dict[str, Any] = {}
    for name in PROVIDERS:
        variable = name.upper().replace("-", "_")
        keys |= {f"{variable}_API_KEY": "key-of-minimax-0001", f"{variable}_BASE_URL": UNREACHABLE}
    async with served(tmp_path, WHENFINAL_PROVIDERS=",".join(PROVIDERS), **keys) as opened:
        for name in PROVIDERS:
            await opened.has(f"tsk_{name}", "p1", provider=name)
        yield opened


@every_provider
async def test_a_challenge_is_answered_at_a_tasks_own_address_and_changes_nothing(
    service: Served, provider: str
) -> None:
    path = service.callback_path(f"tsk_{provider}", provider)
    with capture_logs() as lines:
        replies = [await service.calls_back(path, json={"challenge": f"c-{number}"}) for number in range(30)]
    assert [reply.json() for reply in replies] == [{"challenge": f"c-{number}"} for number in range(30)]
    assert {reply.headers["content-type"] for reply in replies} == {"application/json"}
    assert [line for line in lines if line["log_level"] != "info"] == []
    assert await service.services.store.events.events(0) == []
    timeline = (await service.get(f"/v1/tasks/tsk_{provider}/timeline")).json()["timeline"]
    assert [entry for entry in timeline if "callback" in entry["summary"]] == []


@every_provider
async def test_a_stranger_gets_no_answer_to_a_challenge(service: Served, provider: str) -> None:
    own = service.callback_path(f"tsk_{provider}", provider)
    for path in (
        f"/callbacks/{provider}",
        f"/callbacks/{provider}/no-token-of-ours",
        own[:-3] + "abc",
        service.callback_path(f"tsk_{provider}", provider, key="a-key-of-somebody-else-0001"),
        service.callback_path(f"tsk_{provider}", provider, age_s=90 * 86_400),
        service.callback_path(f"tsk_{provider}", "other").replace("/other/", f"/{provider}/"),
    ):
        reply = await service.calls_back(path, json={"challenge": "c-1"})
        is_problem(reply, 401)
        assert "c-1" not in reply.text


async def test_what_is_no_short_text_is_not_sent_back(service: Served) -> None:
    bodies = (
        b'{"challenge":"' + b"x" * 1_000_000 + b'"}',
        b'{"challenge":7}',
        b'{"challenge":{"challenge":"c"}}',
        b'{"challenge":["c"]}',
        b'{"challenge":""}',
        b'{"challenge":"a\\nb"}',
        b'{"challenge":"c"',
        b'"challenge"',
    )
    for path in [service.callback_path(f"tsk_{provider}", provider) for provider in PROVIDERS]:
        for body in bodies:
            reply = await service.calls_back(
                path, json=None, content=body, headers={"content-type": "application/json"}
            )
            assert reply.status_code in {400, 413}, body[:40]
            assert len(reply.content) < 2_000

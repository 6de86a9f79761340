"""What a status reply tells about how its task came to be, in the recorded payloads."""

import pytest

from submitter.model import Observation, ProviderTaskId
from submitter.providers.origins import TaskOrigin, origin_of, tells_prompt
from submitter.providers.registry import ADAPTERS
from tests.support.builders import an_observation
from tests.unit.providers import recorded


@pytest.mark.parametrize(
    ("adapter", "raw", "created_at_ms", "prompt"),
    [
        ("hiapi", b'{"data":{"created":1790000000}}', 1_790_000_000_000, None),
        (
            "dashscope",
            b'{"output":{"submit_time":"2026-09-01 10:00:00.100","orig_prompt":" a cat "}}',
            1_788_228_000_100,
            "a cat",
        ),
        ("tokenbay", b'{"id":"t","created_at":1790000000}', 1_790_000_000_000, None),
        ("newapi", b'{"data":{"submit_time":1790000000,"created_at":1790000001}}', 1_790_000_000_000, None),
        ("modelstream", b'{"data":{"submit_time":0,"created_at":1790000001}}', 1_790_000_001_000, None),
        ("modellix", b'{"data":{"created_at":1790000001}}', None, None),
        ("hiapi", b"no json", None, None),
        ("dashscope", b'{"output":{"submit_time":7,"orig_prompt":["x"]}}', None, None),
    ],
)
def test_the_documented_places_are_read(
    adapter: str, raw: bytes, created_at_ms: int | None, prompt: str | None
) -> None:
    seen = an_observation(raw=raw, model="m")
    assert origin_of(adapter, seen) == TaskOrigin(model="m", created_at_ms=created_at_ms, prompt=prompt)


def test_a_recorded_reply_of_dashscope_tells_its_prompt() -> None:
    account, reply = recorded.account("dashscope"), recorded.reply("dashscope", "status_succeeded")
    seen = ADAPTERS["dashscope"].parse_status(ProviderTaskId("bbbbbbbb-0000-0000-0000-000000000001"), reply, account)
    assert isinstance(seen, Observation)
    assert origin_of("dashscope", seen).prompt


def test_two_providers_tell_a_prompt() -> None:
    assert [adapter for adapter in sorted(ADAPTERS) if tells_prompt(adapter)] == ["dashscope", "replicate"]

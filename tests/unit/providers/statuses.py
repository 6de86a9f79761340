"""Replies to polls in the form of each adapter, out of plain values."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from submitter.http.messages import HttpReply
from submitter.model import Observation, ProviderTaskId, StatusOutcome
from submitter.providers.registry import ADAPTERS
from tests.unit.providers import recorded

TASK_ID = "t-1"
LINK = "https://cdn.example/v.mp4"

#: A documented word of each adapter.
RUNNING = {"hiapi": "handling", "dashscope": "RUNNING", "modellix": "processing"}
FAILED = {"hiapi": "fail", "dashscope": "FAILED", "modellix": "failed"}
SUCCEEDED = {"hiapi": "success", "dashscope": "SUCCEEDED", "modellix": "success"}
GATEWAYS = ("newapi", "modelstream", "tokenbay")
for _gateway in GATEWAYS:
    RUNNING[_gateway], FAILED[_gateway], SUCCEEDED[_gateway] = "in_progress", "failed", "completed"

#: Where each adapter finds the link of a success.
RESULTS: Mapping[str, Mapping[str, Any]] = {
    "hiapi": {"output": [{"url": LINK, "type": "video"}]},
    "dashscope": {"video_url": LINK},
    "modellix": {"result": {"resources": [{"url": LINK, "type": "video"}]}},
    **{gateway: {"url": LINK} for gateway in GATEWAYS},
}

NOTHING: Mapping[str, Any] = MappingProxyType({})


def document(
    adapter: str,
    word: str,
    inner: Mapping[str, Any] = NOTHING,
    top: Mapping[str, Any] = NOTHING,
    *,
    named: Any = TASK_ID,
) -> dict[str, Any]:
    """A reply that names the task and a state, with more members in the task and beside it."""
    if adapter == "hiapi":
        return {"code": 200, "message": "success", "data": {"taskId": named, "status": word, **inner}, **top}
    if adapter == "dashscope":
        return {"request_id": "r-1", "output": {"task_id": named, "task_status": word, **inner}, **top}
    if adapter == "modellix":
        return {"code": 0, "message": "success", "data": {"task_id": named, "status": word, **inner}, **top}
    return {"code": "success", "data": {"task_id": named, "status": word, **inner}, **top}


def read(adapter: str, body: object, *, task_id: str = TASK_ID, status: int = 200, **account: Any) -> StatusOutcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = HttpReply(status=status, body=raw)
    return ADAPTERS[adapter].parse_status(ProviderTaskId(task_id), reply, recorded.account(adapter, **account))


def seen(adapter: str, body: object, **more: Any) -> Observation:
    """What the reply says of the task; it must say something."""
    outcome = read(adapter, body, **more)
    assert isinstance(outcome, Observation), outcome
    return outcome

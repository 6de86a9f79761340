"""Recorded payloads as replies and callbacks.

A file holds where it was read and when, the status, the headers and the body: `body` is sent as compact JSON, `text` as
it stands.
"""

import json
from pathlib import Path
from typing import Any

from submitter.http.messages import Callback, Headers, HttpReply
from submitter.model import Denied, Observation, ProviderTaskId, Source, TaskKey, TaskState, Unavailable
from submitter.providers.contract import Account
from submitter.providers.registry import ADAPTERS

HERE = Path(__file__).parent


def account(adapter: str, **changes: Any) -> Account:
    can = ADAPTERS[adapter].CAPABILITIES
    base_url = can.default_base_url or "https://gateway.example"
    settings = {"name": adapter, "adapter": adapter, "base_url": base_url, "api_key": "key-1", "keys_url": can.keys_url}
    return Account(**settings | changes)


def folder_name(adapter: str) -> str:
    return adapter.replace("-", "_")


def names(adapter: str, *prefixes: str) -> list[str]:
    """Recorded payloads of an adapter whose name begins so."""
    return sorted(path.stem for path in _folder(adapter).glob("*.json") if path.stem.startswith(prefixes or ""))


def reply(adapter: str, name: str) -> HttpReply:
    record = _record(adapter, name)
    return HttpReply(status=record["status"], headers=_headers(record), body=_body(record))


def document(adapter: str, name: str) -> Any:
    """The recorded body as JSON; an empty object for one that is a text."""
    return _record(adapter, name).get("body", {})


def callback(adapter: str, name: str) -> Callback:
    record = _record(adapter, name)
    return Callback(headers=_headers(record), body=_body(record))


def polled(
    adapter: str, name: str, provider_task_id: str, state: TaskState, raw_state: str, **more: Any
) -> Observation:
    """What a poll that brought the recorded reply must come to."""
    return Observation(
        key=TaskKey(provider=adapter, provider_task_id=ProviderTaskId(provider_task_id)),
        state=state,
        source=Source.POLL,
        raw_state=raw_state,
        raw=reply(adapter, name).body,
        **more,
    )


def unusable(adapter: str, name: str, reason: str) -> Unavailable:
    """What a poll that brought the recorded reply must come to where it says nothing about the task."""
    answer = reply(adapter, name)
    return Unavailable(reason=reason, retry_after_s=answer.retry_after_s, raw=answer.body)


def denied(adapter: str, name: str, status: int, message: str) -> Denied:
    return Denied(status=status, message=message, raw=reply(adapter, name).body)


def _folder(adapter: str) -> Path:
    return HERE / folder_name(adapter) / "payloads"


def _record(adapter: str, name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((_folder(adapter) / f"{name}.json").read_text(encoding="utf-8"))
    return record


def _headers(record: dict[str, Any]) -> Headers:
    return tuple(record["headers"].items())


def _body(record: dict[str, Any]) -> bytes:
    if "text" in record:
        return str(record["text"]).encode()
    return json.dumps(record["body"], ensure_ascii=False, separators=(",", ":")).encode()

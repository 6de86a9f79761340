"""Building the calls of an adapter: one way to write JSON, one way to carry the key, one way to put an id in a URL."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from submitter.http.messages import Headers, HttpCall
from submitter.providers.contract import Account


def as_json(body: Mapping[str, Any]) -> bytes:
    """Compact UTF-8; keys stand in the order in which the mapping was built, so equal bodies are equal bytes."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def present(**fields: object) -> dict[str, Any]:
    """The fields that the caller set: None leaves it to the provider and is not sent, nor is an empty object."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def bearer(account: Account) -> Headers:
    return (("authorization", f"Bearer {account.api_key}"), ("accept", "application/json"))


def get(account: Account, path: str) -> HttpCall:
    return HttpCall(method="GET", url=account.base_url + path, headers=bearer(account))


def post_json(account: Account, path: str, body: Mapping[str, Any], *more: tuple[str, str]) -> HttpCall:
    headers = (*bearer(account), ("content-type", "application/json"), *more)
    return HttpCall(method="POST", url=account.base_url + path, headers=headers, body=as_json(body))


def in_path(name: str) -> str:
    """An id or a model's name as one path segment: it can neither climb nor add a query."""
    return quote(name, safe="", errors="replace")

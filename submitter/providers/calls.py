"""Build the requests of an adapter: JSON bodies, the bearer key, and ids as path segments. Pure."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from submitter.http.messages import Headers, HttpCall
from submitter.providers.contract import Account


def as_json(body: Mapping[str, Any]) -> bytes:
    """Return compact UTF-8. Members have the order in which the mapping was built, so equal bodies are equal bytes."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def present(**fields: object) -> dict[str, Any]:
    """Return the fields without those that are None or an empty object: the provider decides what is not sent."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def bearer(account: Account) -> Headers:
    return (("authorization", f"Bearer {account.api_key}"), ("accept", "application/json"))


def get(account: Account, path: str, *, auth: Headers | None = None) -> HttpCall:
    """`auth` are the headers of a provider that takes its key in another way than as a bearer's."""
    return bodiless("GET", account, path, auth=auth)


def bodiless(method: str, account: Account, path: str, *, auth: Headers | None = None) -> HttpCall:
    return HttpCall(method=method, url=account.base_url + path, headers=bearer(account) if auth is None else auth)


def post_json(
    account: Account, path: str, body: Mapping[str, Any], *more: tuple[str, str], auth: Headers | None = None
) -> HttpCall:
    headers = (*(bearer(account) if auth is None else auth), ("content-type", "application/json"), *more)
    return HttpCall(method="POST", url=account.base_url + path, headers=headers, body=as_json(body))


def in_path(name: str) -> str:
    """Quote an id or a model name as one path segment, so that it can neither change the path nor add a query."""
    return quote(name, safe="", errors="replace")

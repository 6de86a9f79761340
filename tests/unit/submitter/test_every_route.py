"""The client can do what the API can: each route of version 1 is the request of a method."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.web.routes import ROUTES
from submitter import SyncClient
from submitter.client import conversation
from submitter.client.sync_shell import Answer, Items, Resource
from submitter.errors import ClientError

#: What a method needs that is not an id.
NEEDED: dict[str, Any] = {"requests": [], "scopes": ["read"], "act": "cancel", "request": {"provider": "hiapi"}}


def _methods(client: SyncClient) -> Iterator[Any]:
    for part in (client, *(value for value in vars(client).values() if isinstance(value, Resource))):
        for name, value in vars(type(part)).items():
            if isinstance(value, Answer | Items) or name == "download":
                yield getattr(part, name)


def _called(method: Any, folder: Path) -> None:
    """Call it with no more than it needs, as far as its first request."""
    needed, named = [], {}
    for name, each in inspect.signature(method).parameters.items():
        if name == "place":
            needed.append(folder / "file")
        elif each.kind is each.POSITIONAL_ONLY:
            needed.append(NEEDED.get(name, "x"))
        elif each.kind is each.VAR_KEYWORD:
            named.update(NEEDED.get(name, {}))
        elif each.default is each.empty:
            named[name] = NEEDED[name]
    with pytest.raises(ClientError):
        _result(method(*needed, **named))


def _result(given: Any) -> Any:
    """A series sends nothing before its first item is taken."""
    return list(given) if inspect.isgenerator(given) else given


def test_each_route_is_the_request_of_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", ())
    sent: set[tuple[str, str]] = set()

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.add((request.method, request.url.path))
        problem = {"type": "urn:whenfinal:problem:not-found", "title": "no", "status": 404}
        return httpx.Response(404, json=problem, headers={"Content-Type": "application/problem+json"})

    with SyncClient("http://in-this-process", "key", transport=httpx.MockTransport(refuse)) as client:
        for method in _methods(client):
            _called(method, tmp_path)
    missing = [
        f"{route.method} {route.path}"
        for route in ROUTES
        if route.path.startswith("/v1/") and not any(_fits(route.method, route.path, each) for each in sent)
    ]
    assert missing == []
    assert {("GET", "/healthz"), ("GET", "/readyz")} <= sent


def _fits(method: str, path: str, sent: tuple[str, str]) -> bool:
    form = re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(path))
    return sent[0] == method and re.fullmatch(form, sent[1]) is not None

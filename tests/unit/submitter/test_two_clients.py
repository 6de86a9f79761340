"""The client with `async` and the one without have the same methods, made of the same functions."""

import inspect
from typing import Any

import pytest

from submitter import Client, SyncClient
from submitter.client import async_shell, client, sync_client, sync_shell

_MADE_OF = (async_shell.Answer, async_shell.Items, sync_shell.Answer, sync_shell.Items)


def _methods(kind: type) -> dict[str, Any]:
    """By name: what each method is made of, or its own signature."""
    found = {name: value for name, value in vars(kind).items() if not name.startswith("_") or name == "__call__"}
    return {name: value._build if isinstance(value, _MADE_OF) else _parameters(value) for name, value in found.items()}


def _parameters(method: Any) -> list[tuple[str, Any]]:
    return [(each.name, each.kind) for each in inspect.signature(method).parameters.values()]


def _resources(module: Any, base: type) -> dict[str, type]:
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base))
    return {value.__name__.removeprefix("Sync"): value for value in found if value is not base}


def test_both_have_the_same_resources_with_the_same_methods() -> None:
    ours, theirs = _resources(client, async_shell.Resource), _resources(sync_client, sync_shell.Resource)
    assert {name: _methods(kind) for name, kind in ours.items()} == {
        name: _methods(kind) for name, kind in theirs.items()
    }
    assert {"Client", "Tasks", "Subscriptions"} <= set(ours)


def test_both_have_their_resources_under_the_same_names() -> None:
    ours, theirs = Client("http://127.0.0.1:9", "key"), SyncClient("http://127.0.0.1:9", "key")
    public = [
        {name: type(value).__name__ for name, value in vars(each).items() if name[0] != "_"} for each in (ours, theirs)
    ]
    assert public[0] == public[1]
    assert "tasks" in public[0]


@pytest.mark.parametrize("kind", [Client, SyncClient])
def test_a_method_shows_the_words_and_the_arguments_of_its_function(kind: Any) -> None:
    made = kind("http://127.0.0.1:9", "key")
    assert "idempotency_key" in made.submit.__doc__
    assert list(inspect.signature(made.wait).parameters) == ["task_id", "timeout_s"]
    assert kind.submit.__doc__ == made.submit.__doc__


@pytest.mark.parametrize("kind", [Client, SyncClient])
@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("no-url", "key"),
        ("http://h:0", "key"),
        ("http://[v1.x]", "key"),
        ("http://xn--a", "key"),
        ("http://h", "a\nb"),
        ("http://h", ""),
    ],
)
def test_a_client_of_no_url_or_no_key_is_not_made(kind: type, url: str, key: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        kind(url, key)

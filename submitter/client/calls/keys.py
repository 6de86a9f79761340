"""Create, list and revoke API keys."""

from collections.abc import Mapping, Sequence
from functools import partial

from submitter.api_keys import CreatedKey, Key, KeyScope, KeysPage
from submitter.client.conversation import Call, Series, every
from submitter.client.replies import read_reply
from submitter.client.requests import api_path, as_object, get, post


def create(
    name: str,
    /,
    *,
    scopes: Sequence[KeyScope],
    providers: Sequence[str] | None = None,
    label: Mapping[str, str] | None = None,
) -> Call[CreatedKey]:
    """Create a key, perhaps only for some providers, or for tasks with one label. It is in no later answer.

    It is sent once: if its answer is lost, revoke the key of this name and create another.
    """
    body = {"name": name, "scopes": scopes, "providers": providers, "label": None if label is None else _text(label)}
    return post(api_path("keys"), CreatedKey, as_object(body))


def list_keys(*, name: str | None = None, limit: int | None = None, cursor: str | None = None) -> Call[KeysPage]:
    """Return a page of keys: those of the settings, then the newest first; or only the one of a name that works now."""
    return get(api_path("keys"), KeysPage, {"name": name, "limit": limit, "cursor": cursor})


def all_keys(*, name: str | None = None) -> Series[Key]:
    """Give every key, page by page."""
    return every(lambda cursor: list_keys(name=name, limit=200, cursor=cursor), lambda page: page.keys)


def get_key(key_id: str, /) -> Call[Key]:
    """Return what a key may do and when it was used last; never the key."""
    return get(api_path("keys", key_id), Key)


def revoke(key_id: str, /) -> Call[Key]:
    """Revoke a key. It stops working within a few seconds, with its sessions and streams."""
    return Call(method="DELETE", path=api_path("keys", key_id), read=partial(read_reply, Key), may_be_repeated=True)


def _text(label: Mapping[str, str]) -> str:
    if len(label) != 1:
        raise ValueError(f"a key is limited to one label, not to {len(label)}")
    return "".join(f"{name}={value}" for name, value in label.items())

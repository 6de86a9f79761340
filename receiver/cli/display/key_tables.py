"""Tables and sheets of API keys. Never the key."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from receiver.cli.display.listing import Listing, Styled, sheet, table
from receiver.cli.display.times import clock_and_age, moment
from receiver.runtime.key_repository import FIRST_ID
from submitter.api_keys import Key

if TYPE_CHECKING:
    from rich.table import Table


def keys_table(keys: Sequence[Key], now_ms: int) -> Listing:
    are_set = any(each.is_setting for each in keys)
    rows = [
        (
            each.name,
            _state(each, are_set=are_set),
            ", ".join(each.scopes),
            _limits(each),
            clock_and_age(each.last_used_at, now_ms),
            each.id,
            clock_and_age(each.created_at, now_ms),
            each.created_by,
        )
        for each in keys
    ]
    return table("name", "state", "scopes", "limits", "last used", "key", "created", "by", rows=rows)


def key_sheet(key: Key, now_ms: int) -> "Table":
    return sheet(
        [
            ("key", key.id),
            ("name", key.name),
            ("scopes", ", ".join(key.scopes)),
            ("limits", _limits(key) or "none"),
            ("created", moment(key.created_at, now_ms)),
        ]
    )


def _state(key: Key, *, are_set: bool) -> Styled:
    """The key of the first start does not work beside keys of the settings."""
    if key.revoked_at is not None:
        return Styled("revoked", "red")
    if key.id == FIRST_ID and are_set:
        return Styled("off", "yellow")
    return Styled("in the settings", "") if key.is_setting else Styled("works", "green")


def _limits(key: Key) -> str:
    providers = "" if key.providers is None else ", ".join(key.providers)
    return "; ".join(part for part in (providers, key.label or "") if part)

"""Tables and sheets of API keys, which hold no key."""

from collections.abc import Sequence

from rich.table import Table

from receiver.cli.display.listing import Listing, Styled, sheet, table
from receiver.cli.display.times import clock_and_age, moment
from submitter.api_keys import Key


def keys_table(keys: Sequence[Key], now_ms: int) -> Listing:
    rows = [
        (
            each.id,
            each.name,
            _state(each),
            " ".join(each.scopes),
            clock_and_age(each.last_used_at, now_ms),
            "all" if each.providers is None else " ".join(each.providers),
            each.label,
            clock_and_age(each.created_at, now_ms),
            each.created_by,
        )
        for each in keys
    ]
    return table("key", "name", "state", "scopes", "last used", "providers", "label", "created", "by", rows=rows)


def _state(key: Key) -> Styled:
    if key.revoked_at is not None:
        return Styled("revoked", "yellow")
    return Styled("setting" if key.is_setting else "works", "green")


def key_sheet(key: Key, now_ms: int) -> Table:
    return sheet(
        [
            ("id", key.id),
            ("name", key.name),
            ("scopes", ", ".join(key.scopes)),
            ("only providers", None if key.providers is None else ", ".join(key.providers)),
            ("only label", key.label),
            ("created", moment(key.created_at, now_ms)),
        ]
    )

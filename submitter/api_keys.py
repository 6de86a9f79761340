"""The bodies of the HTTP API about who may do what, as models. Pure. See `submitter.api`."""

from typing import Literal

from pydantic import Field

from submitter.api import ApiModel, Time

KeyScope = Literal["submit", "read", "operate"]


class Key(ApiModel):
    """A key of the API. What it opens is in `scopes`, of which none includes another.

    Null for `providers` means every provider, null for `label` (`name=value`) any labels. Outside of that nothing is
    there for its callers. `last_used_at` is up to a minute old. With `is_setting` it stands in the settings of the
    service: it is revoked there, and no times are known of it. The key of the first start, `first`, does not work
    beside keys of the settings.
    """

    id: str
    name: str
    scopes: tuple[KeyScope, ...]
    providers: tuple[str, ...] | None
    label: str | None
    created_at: Time | None
    created_by: str | None
    last_used_at: Time | None
    revoked_at: Time | None
    is_setting: bool


class CreatedKey(Key):
    """A new key. `key` is in this answer and in no later one."""

    key: str = Field(repr=False)


class KeysPage(ApiModel):
    """The keys of the settings come first, on the first page. `next_cursor` null: this is the last page."""

    keys: tuple[Key, ...]
    next_cursor: str | None


class StreamToken(ApiModel):
    """Opens `GET /v1/events/stream?token=` until `expires_at`. A stream that is open then goes on."""

    token: str = Field(repr=False)
    expires_at: Time

"""Request bodies and query parameters about API keys. The answers are in `submitter.api_keys`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from receiver.config.api_keys import KEY_NAME, Scope
from receiver.events.model.event import EventType
from receiver.web.schemas.tasks import NEXT_CURSOR, Label, Labels, Name, PageLimit, Query, RequestBody
from submitter.request import at_most

_MOST_PROVIDERS = 100

_FEW = (Field(strict=False, max_length=20), at_most(20))


class CreateKeyRequest(RequestBody):
    """No scope includes another. Without `providers` and `label` (`name=value`) the key is not limited.

    A task that is submitted with the key gets the label, and everything that the key sees has it.
    """

    name: Annotated[str, StringConstraints(pattern=rf"^{KEY_NAME}$")]
    scopes: Annotated[
        tuple[Annotated[Scope, Field(strict=False)], ...], Field(strict=False, min_length=1, max_length=3), at_most(3)
    ]
    providers: (
        Annotated[
            tuple[Name, ...], Field(strict=False, min_length=1, max_length=_MOST_PROVIDERS), at_most(_MOST_PROVIDERS)
        ]
        | None
    ) = None
    label: Label | None = None


class KeysQuery(Query):
    name: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="only the key of this name that works now", examples=["render-farm"]
    )
    limit: PageLimit = 50
    cursor: Annotated[str, StringConstraints(pattern=r"^key_[0-9a-z]{1,40}$")] | None = Field(
        default=None, description=NEXT_CURSOR, examples=["key_01m7yrqm47904bn5a9g1vxy29m"]
    )


class StreamConditions(RequestBody):
    """Joined by "and", the values of one by "or"; an empty one lets everything through."""

    types: Annotated[tuple[Annotated[EventType, Field(strict=False)], ...], *_FEW] = ()
    providers: Annotated[tuple[Name, ...], *_FEW] = ()
    models: Annotated[tuple[Name, ...], *_FEW] = ()
    labels: Labels = Field(default_factory=dict)


class StreamTokenRequest(RequestBody):
    """The token is good for `ttl_s`, five minutes by default."""

    ttl_s: int = Field(default=300, ge=1, le=3600, description="seconds until it expires")
    conditions: StreamConditions = Field(default_factory=StreamConditions)

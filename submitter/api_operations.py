"""The bodies of the HTTP API with which operators see and end trouble, as models. Pure. See `submitter.api`."""

from pydantic import AliasChoices, Field

from submitter.api import ApiModel, Time


class ProviderStatus(ApiModel):
    """A configured provider. `tokens` of `burst` requests are left in its rate budget.

    `tokens` is below zero after submits that did not wait for the budget. `alarm` says what an operator must look into.
    """

    name: str
    adapter: str
    host: str
    tokens: float
    burst: int
    paused_until: Time | None = Field(validation_alias=AliasChoices("paused_until_ms", "paused_until"))
    paused_reason: str | None
    alarm: str | None
    unfinished: int


class ProviderStatuses(ApiModel):
    """All configured providers."""

    providers: tuple[ProviderStatus, ...]


class ResumedProvider(ProviderStatus):
    """The provider after a resume. `ended`: it had a pause or an alarm. `made_due` tasks are polled now."""

    ended: bool
    made_due: int

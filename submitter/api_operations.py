"""The bodies of the HTTP API with which operators see and end trouble, as models. Pure. See `submitter.api`."""

from typing import Literal

from pydantic import AliasChoices, Field

from submitter.api import ApiModel, Time
from submitter.api_webhooks import Breaker


class ProviderStatus(ApiModel):
    """A configured provider. `tokens` of `burst` requests are left in its rate budget.

    `tokens` is below zero after submits that did not wait for the budget. Polls and submits are paused apart; `alarm`
    and `submits_alarm` say what an operator must look into. `unfinished` tasks have not ended; `queued` of them wait
    for room, and `in_flight` count for `max_in_flight`, the limit by settings and documents, and for
    `learned_in_flight`, which is learned from refusals. Null: no limit.
    `unfinished`, `queued` and `in_flight` are null for an API key that is limited to a label, because all tasks of the
    account are counted.
    """

    name: str
    adapter: str
    host: str
    tokens: float
    burst: int
    paused_until: Time | None = Field(validation_alias=AliasChoices("paused_until_ms", "paused_until"))
    paused_reason: str | None
    alarm: str | None
    submits_paused_until: Time | None = Field(
        validation_alias=AliasChoices("submits_paused_until_ms", "submits_paused_until")
    )
    submits_paused_reason: str | None
    submits_alarm: str | None
    unfinished: int | None
    queued: int | None
    in_flight: int | None
    max_in_flight: int | None
    learned_in_flight: int | None


class LearnedDuration(ApiModel):
    """How long tasks take from submit to end, in seconds, learned from `count` of them.

    Null for `model`, `resolution` or `length` means all. `prior_share` of the estimate is assumed, not learned. While
    `is_drifting` the last tasks took longer or shorter than expected. `is_damaged`: what is stored can not be read.
    """

    model: str | None
    resolution: str | None
    length: str | None
    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    prior_share: float
    is_drifting: bool
    is_damaged: bool


class ProviderWithDurations(ProviderStatus):
    """A provider with what was learned of it, and with the polls that wait for its rate budget.

    `callback_miss_rate`: the share of callbacks taken not to come. `polls_waiting` tasks are due, the first since
    `polls_waiting_since`; 10000 means that many or more. `poll_price_s`: a poll is made when the lateness that is to be
    expected has grown to so many seconds. It is 5 while the budget suffices; a higher price is why polls are late.
    `polls_waiting` is null for an API key that is limited to a label.
    """

    callback_miss_rate: float
    polls_waiting: int | None
    polls_waiting_since: Time | None
    poll_price_s: float
    durations: tuple[LearnedDuration, ...]


class ProviderStatuses(ApiModel):
    """All configured providers."""

    providers: tuple[ProviderStatus, ...]


class ResumedProvider(ProviderStatus):
    """The provider after a resume. `made_due` tasks are polled now.

    `ended`: it had a pause of polls, a hold of submits, or an alarm.
    """

    ended: bool
    made_due: int


class CallbackAddress(ApiModel):
    """The one address for all callbacks of a provider's account, and the steps that set it up there.

    It stays the same until another signing key is the newest, and works as long as the key that signed it is set.
    """

    provider: str
    address: str
    steps: tuple[str, ...]


class NotifyEndpoint(ApiModel):
    """A host that tasks name in `notify`. `pending` deliveries are not finished, `dead` ones are dead letters."""

    endpoint: str
    breaker: Breaker
    pending: int
    dead: int


class NotifyEndpointsPage(ApiModel):
    """`next_cursor` null: this is the last page."""

    endpoints: tuple[NotifyEndpoint, ...]
    next_cursor: str | None


class ResumedEndpoint(NotifyEndpoint):
    """The host after a resume. `was_failing`: it had failures, a pause or a slower rate.

    `made_due` deliveries were due later and are sent now, and so are `redelivered` dead letters. With `has_more`
    another resume takes more of both.
    """

    was_failing: bool
    made_due: int
    redelivered: int
    has_more: bool


# Probes.


class Health(ApiModel):
    """The process is alive."""

    status: Literal["alive"]


class Account(ApiModel):
    """A provider account: polls and submits are paused apart.

    `alarm` and `submits_alarm` say what an operator must look into.
    """

    provider: str
    paused_until: Time | None
    paused_reason: str | None
    submits_paused_until: Time | None = None
    submits_paused_reason: str | None = None
    alarm: str | None
    submits_alarm: str | None = None


class Readiness(ApiModel):
    """The ledger can be written. The rest is there for those with a key of the scope `read`.

    `note` says what an operator should know of the ledger.
    """

    status: Literal["ready"]
    note: str | None = None
    accounts: tuple[Account, ...] | None = None

"""An endpoint as operators see it, and what a resume did. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from receiver.webhooks.model.endpoint import NOTIFY_URL_CAP, is_printable
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.subscription import notify_endpoint_id


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """A host that tasks name in `notify`. Without a stored state, which retention deletes, it is healthy."""

    endpoint: EndpointState
    #: Deliveries that are not finished.
    pending: int
    #: Dead letters.
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedEndpoint:
    """What a resume of an endpoint did."""

    #: It had failures, a pause or a slower rate; now it has none.
    was_failing: bool = False
    #: Pending deliveries that were due later and are due now.
    made_due: int = 0
    #: Dead letters that are due again.
    redelivered: int = 0
    #: There is more of both than one resume takes.
    has_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedSubscription:
    """What a resume of a subscription did."""

    #: Now it is enabled.
    was_disabled: bool
    endpoint: ResumedEndpoint


def notify_host(text: str) -> str:
    """The endpoint of a host of `notify`, from its name or from any URL on it. Raise ValueError for another text."""
    if is_printable(text, NOTIFY_URL_CAP):
        with suppress(ValueError):  # of brackets that hold no address
            parts = urlsplit(text)
            if parts.scheme in {"http", "https"} and parts.netloc:
                return notify_endpoint_id(text)
    raise ValueError("it is not the address of a host, such as https://hooks.example.com")

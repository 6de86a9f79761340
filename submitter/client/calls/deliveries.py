"""See webhooks and their attempts, and send them again; the hosts that tasks name in `notify`."""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack

from submitter.api_operations import NotifyEndpoint, NotifyEndpointsPage, ResumedEndpoint
from submitter.api_webhooks import DeliveriesPage, Delivery, DeliveryWithAttempts
from submitter.client.conversation import Call, Series, every
from submitter.client.requests import Moment, api_path, get, post

DeliveryState = Literal["pending", "delivered", "dead"]


class DeliveryFilters(TypedDict, total=False):
    """Which deliveries: conditions joined by "and", the values of one by "or".

    `failing` ones failed and are attempted again. `endpoint` is a host of `notify`. `error` says how the last attempt
    was answered: `2xx`, `3xx`, `4xx`, `5xx`, or `none` for not at all.
    """

    state: DeliveryState | Sequence[DeliveryState] | None
    failing: bool | None
    subscription: str | None
    endpoint: str | None
    task: str | None
    type: str | None
    since: Moment | None
    until: Moment | None
    error: str | Sequence[str] | None


def list_deliveries(
    *, limit: int | None = None, cursor: str | None = None, **filters: Unpack[DeliveryFilters]
) -> Call[DeliveriesPage]:
    """Return a page of deliveries, the newest first. The next page begins at `next_cursor`."""
    return get(api_path("deliveries"), DeliveriesPage, {**filters, "limit": limit, "cursor": cursor})


def all_deliveries(**filters: Unpack[DeliveryFilters]) -> Series[Delivery]:
    """Give every delivery, the newest first, page by page."""
    return every(lambda cursor: list_deliveries(limit=200, cursor=cursor, **filters), lambda page: page.deliveries)


def get_delivery(delivery_id: str, /) -> Call[DeliveryWithAttempts]:
    """Return a delivery with each of its attempts."""
    return get(api_path("deliveries", delivery_id), DeliveryWithAttempts)


def redeliver(delivery_id: str, /) -> Call[Delivery]:
    """Send the event again now, with all its retries."""
    return post(api_path("deliveries", delivery_id, "redeliver"), Delivery)


Which = Literal["all", "failing"]


def list_endpoints(
    *, which: Which = "all", limit: int | None = None, cursor: str | None = None
) -> Call[NotifyEndpointsPage]:
    """Return a page of the hosts of `notify`, by name. The next page begins at `next_cursor`."""
    return get(api_path("endpoints"), NotifyEndpointsPage, {"which": which, "limit": limit, "cursor": cursor})


def all_endpoints(*, which: Which = "all") -> Series[NotifyEndpoint]:
    """Give every host of `notify`, by name, page by page."""
    return every(lambda cursor: list_endpoints(which=which, limit=200, cursor=cursor), lambda page: page.endpoints)


def resume_endpoint(endpoint: str, /, *, dead_letters: bool = False) -> Call[ResumedEndpoint]:
    """Close the breaker of a host, or of any URL on it, and send what waits; with `dead_letters` those as well."""
    body = {"endpoint": endpoint, "dead_letters": dead_letters}
    return post(api_path("endpoints", "resume"), ResumedEndpoint, body)

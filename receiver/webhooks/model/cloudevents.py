"""CloudEvents 1.0: attributes in binary mode (headers beside an unchanged body), and the webhook handshake. Pure.

Sources: github.com/cloudevents/spec, cloudevents/bindings/http-protocol-binding.md, section 3.1.3.2 (header values),
and cloudevents/http-webhook.md, version 1.0.2, section 4 (abuse protection), read 2026-11-21. Rates there are requests
per minute. We do not support consent by a later callback. An endpoint must answer with a rate when we asked for one;
otherwise it may leave the rate out, and then there is no limit.
"""

import math
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from receiver.webhooks.model.delivery import DueDelivery
from receiver.webhooks.model.subscription import Subscription
from submitter.http.messages import Headers, HttpCall, HttpReply, is_success
from submitter.timestamps import rfc3339

#: The source of our events when the service has no public URL.
DEFAULT_SOURCE = "urn:whenfinal"

#: Printable ASCII that is not percent-encoded: all but the space, the double quote and the percent sign.
_PLAIN = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def requested_headers(
    wanted: Subscription | DueDelivery,
    public_url: str | None,
    *,
    message_id: str,
    event_type: str,
    at_ms: int,
    subject: str | None = None,
) -> Headers:
    """The headers that a subscription asks for beside the signature.

    With `cloudevents` the attributes of the event, with `handshake` our origin (section 4.1.2).
    """
    headers: Headers = ()
    if wanted.cloudevents:
        headers = cloudevents_headers(
            message_id=message_id,
            event_type=event_type,
            source=public_url or DEFAULT_SOURCE,
            at_ms=at_ms,
            subject=subject,
        )
    if wanted.handshake and public_url is not None:
        headers = (*headers, (ORIGIN, origin_of(public_url)))
    return headers


def cloudevents_headers(
    *, message_id: str, event_type: str, source: str, at_ms: int, subject: str | None = None
) -> Headers:
    """Headers of one event. `source` and `message_id` together identify it; `subject` is the task that it is about."""
    given = {
        "ce-specversion": "1.0",
        "ce-id": message_id,
        "ce-type": event_type,
        "ce-source": source,
        "ce-time": rfc3339(at_ms),
        "ce-subject": subject,
    }
    return tuple((name, quote(value, safe=_PLAIN)) for name, value in given.items() if value is not None)


ORIGIN, RATE = "webhook-request-origin", "webhook-request-rate"

ALLOWED_ORIGIN, ALLOWED_RATE = "webhook-allowed-origin", "webhook-allowed-rate"

_EVERYTHING = "*"

_RATE = re.compile(r"0*[1-9][0-9]{0,11}", re.ASCII)

_SHOWN = 100  # characters of an endpoint's header that an error shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The endpoint accepts our webhooks."""

    #: At most this many a second; None is no limit.
    per_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The endpoint does not accept our webhooks."""

    #: Continues a sentence that begins with "the endpoint".
    reason: str


def origin_of(public_url: str) -> str:
    """Our name in a handshake: the host of our public URL, without the port."""
    return (urlsplit(public_url).hostname or "").lower()


def build_handshake(url: str, *, origin: str, rate_per_s: float | None) -> HttpCall:
    """The request that asks an endpoint for its consent. The rate is rounded up to whole requests a minute."""
    headers: Headers = ((ORIGIN, origin),)
    if rate_per_s is not None:
        headers = (*headers, (RATE, str(max(1, math.ceil(round(rate_per_s * 60, 6))))))
    return HttpCall(method="OPTIONS", url=url, headers=headers)


def read_handshake(reply: HttpReply, *, origin: str, is_rate_asked: bool) -> Granted | Denied:
    """What an endpoint answered to a handshake. Never raises, whatever the reply holds."""
    if not is_success(reply.status):
        return Denied(reason=f"answered {reply.status}")
    allowed = _single(reply, ALLOWED_ORIGIN)
    if allowed is None or (allowed != _EVERYTHING and allowed.lower() != origin):
        return Denied(reason=f"answered {_described(reply, ALLOWED_ORIGIN)}")
    rate = _single(reply, ALLOWED_RATE)
    is_silent = not list(reply.header_values(ALLOWED_RATE))
    if rate == _EVERYTHING or (is_silent and not is_rate_asked):
        return Granted(per_s=None)
    if rate is None or not _RATE.fullmatch(rate):
        return Denied(reason=f"answered {_described(reply, ALLOWED_RATE)}")
    return Granted(per_s=int(rate) / 60)


def needed_answer(origin: str) -> str:
    """The answer that counts as consent, for the people who run the endpoint."""
    return (
        f"OPTIONS answered 2xx with WebHook-Allowed-Origin: {origin} (or *) "
        "and WebHook-Allowed-Rate: requests a minute (or *)"
    )


def _single(reply: HttpReply, name: str) -> str | None:
    values = [value.strip() for value in reply.header_values(name)]
    return values[0] if len(values) == 1 else None


def _described(reply: HttpReply, name: str) -> str:
    values = list(reply.header_values(name))
    if not values:
        return f"{reply.status} without {name}"
    return f"{reply.status} with {name}: {', '.join(values)[:_SHOWN]!r}"

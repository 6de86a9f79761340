"""CloudEvents 1.0 attributes in binary mode: headers beside a body that stays as it is. Pure.

Source: github.com/cloudevents/spec, cloudevents/bindings/http-protocol-binding.md, section 3.1.3.2 (header values).
"""

from urllib.parse import quote

from receiver.views import rfc3339
from submitter.wire import Headers

#: Printable ASCII stays, but for the blank, the double quote and the percent sign itself.
_PLAIN = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def cloudevents_headers(
    *, message_id: str, event_type: str, source: str, at_ms: int, subject: str | None = None
) -> Headers:
    """`source` and `message_id` together name the event; `subject` is the task that it is about."""
    given = {
        "ce-specversion": "1.0",
        "ce-id": message_id,
        "ce-type": event_type,
        "ce-source": source,
        "ce-time": rfc3339(at_ms),
        "ce-subject": subject,
    }
    return tuple((name, quote(value, safe=_PLAIN)) for name, value in given.items() if value is not None)

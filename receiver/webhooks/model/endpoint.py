"""Rules that tasks and subscriptions share: labels, endpoint URLs and signing secrets. Pure.

Which addresses a webhook may reach is decided in `submitter.http.address_guard`. Signatures are made in
`submitter.standard_webhooks`, beside the code that verifies them.
"""

import base64
import re
from collections.abc import Iterator, Mapping

from submitter.errors import Violation
from submitter.http.address_guard import AddressGuard, check_endpoint
from submitter.standard_webhooks import SECRET_PREFIX, secret_key

LABELS_CAP = 32

LABEL_NAME_CAP = 64  # characters

LABEL_VALUE_CAP = 256  # characters

NOTIFY_URL_CAP = 2_048  # characters, because common proxies refuse longer URLs

_REACHABLE = "an https address that is public, or lies within WHENFINAL_ALLOW_PRIVATE"

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def label_violations(labels: Mapping[str, str]) -> Iterator[Violation]:
    """Broken rules of labels, of a task or of a filter."""
    if len(labels) > LABELS_CAP:
        yield Violation(field="labels", rule=f"has {len(labels)} entries", accepted=f"up to {LABELS_CAP}")
        return
    for name, value in labels.items():
        shown = f"labels.{name}" if is_printable(name, LABEL_NAME_CAP) else "labels"
        if not name or shown == "labels":
            rule, accepted = "has an unfit name", f"names of 1 to {LABEL_NAME_CAP} printable characters"
            yield Violation(field="labels", rule=rule, accepted=accepted)
        elif not is_printable(value, LABEL_VALUE_CAP):
            rule, accepted = "is too long or not printable", f"up to {LABEL_VALUE_CAP} printable characters"
            yield Violation(field=shown, rule=rule, accepted=accepted)


def address_violations(url: str, guard: AddressGuard, *, field: str) -> Iterator[Violation]:
    """Broken rules of a URL that webhooks go to. `field` is its name in the request."""
    if not url or not is_printable(url, NOTIFY_URL_CAP):
        rule, accepted = "is empty, too long or not printable", f"an https address of up to {NOTIFY_URL_CAP} characters"
        yield Violation(field=field, rule=rule, accepted=accepted)
    elif reason := check_endpoint(url, guard):
        yield Violation(field=field, rule=reason, accepted=_REACHABLE)


def secret_violations(secret: str, *, field: str) -> Iterator[Violation]:
    """Broken rules of a signing secret. No message holds a part of it."""
    try:
        decode_webhook_secret(secret)
    except ValueError:
        accepted = "whsec_ and the base64 of 24 to 64 random bytes; without one, a new one is made"
        yield Violation(field=field, rule="is not a signing secret", accepted=accepted)


def is_printable(text: str, cap: int) -> bool:
    """Whether a text holds no control characters and at most `cap` characters."""
    return len(text) <= cap and not _UNPRINTABLE.search(text)


SECRET_MIN_BYTES, SECRET_MAX_BYTES = 24, 64  # Standard Webhooks 1, symmetric signatures


def new_webhook_secret(random_bytes: bytes) -> str:
    """A secret, `whsec_…`, of these bytes. Raise ValueError unless there are 24 to 64 of them."""
    secret = SECRET_PREFIX + base64.b64encode(random_bytes).decode()
    decode_webhook_secret(secret)
    return secret


def decode_webhook_secret(text: str) -> bytes:
    """The key in a secret. Raise ValueError that names the broken rule and holds no part of the secret."""
    key = secret_key(text)
    if not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError(f"a webhook secret holds {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes, not {len(key)}")
    return key

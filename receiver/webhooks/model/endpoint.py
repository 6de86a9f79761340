"""What we sign ourselves: tokens in callback paths, and the secrets and headers of webhooks.

Pure: times and random bytes come in. A signature is checked before anything inside a token is read. Webhook signatures
are made in `submitter.webhooks`, where the one who verifies them finds them too.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from submitter.errors import Violation
from submitter.standard_webhooks import SECRET_PREFIX, secret_key

LABELS_CAP = 32

LABEL_NAME_CAP = 64  # characters

LABEL_VALUE_CAP = 256  # characters

NOTIFY_URL_CAP = 2_048  # characters; longer addresses do not get through common proxies

_REACHABLE = "an https address that is public, or lies within WHENFINAL_ALLOW_PRIVATE"

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRules:
    """`refuse_url` says why webhooks may not go to an address, if so; `read_secret` raises ValueError for a bad one."""

    refuse_url: Callable[[str], str | None]
    read_secret: Callable[[str], object]


def label_violations(labels: Mapping[str, str]) -> Iterator[Violation]:
    """Of what tasks carry and subscriptions ask for alike."""
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


def address_violations(url: str, rules: NotifyRules, *, field: str) -> Iterator[Violation]:
    """`field` as the caller wrote it."""
    if not url or not is_printable(url, NOTIFY_URL_CAP):
        rule, accepted = "is empty, too long or not printable", f"an https address of up to {NOTIFY_URL_CAP} characters"
        yield Violation(field=field, rule=rule, accepted=accepted)
    elif reason := rules.refuse_url(url):
        yield Violation(field=field, rule=reason, accepted=_REACHABLE)


def secret_violations(secret: str, rules: NotifyRules, *, field: str) -> Iterator[Violation]:
    """Nothing of the secret is in them."""
    if not _is_secret(secret, rules):
        accepted = "whsec_ and the base64 of 24 to 64 random bytes, or none, and one is made"
        yield Violation(field=field, rule="is not a signing secret", accepted=accepted)


def _is_secret(text: str, rules: NotifyRules) -> bool:
    try:
        rules.read_secret(text)
    except ValueError:
        return False
    return True


def is_printable(text: str, cap: int) -> bool:
    """Also within `cap` characters."""
    return len(text) <= cap and not _UNPRINTABLE.search(text)


SECRET_MIN_BYTES, SECRET_MAX_BYTES = 24, 64  # Standard Webhooks 1, symmetric signatures


def new_webhook_secret(random_bytes: bytes) -> str:
    """`whsec_…`. Raise ValueError unless there are 24 to 64 of them."""
    secret = SECRET_PREFIX + base64.b64encode(random_bytes).decode()
    decode_webhook_secret(secret)
    return secret


def decode_webhook_secret(text: str) -> bytes:
    """The key of a secret that somebody brings. Raise ValueError that says the rule and nothing of the secret."""
    key = secret_key(text)
    if not SECRET_MIN_BYTES <= len(key) <= SECRET_MAX_BYTES:
        raise ValueError(f"a webhook secret holds {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} bytes, not {len(key)}")
    return key

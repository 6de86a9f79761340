"""kie.ai's callback signature, by https://docs.kie.ai/common-api/webhook-verification.md (read 2026-11-26).

HMAC-SHA256 over task id, full stop, timestamp, in base64; the key is the text of the `webhookHmacKey` as it stands. The
body is not covered: whoever has one valid pair can write any state and any address. No replay window is stated: ours is
that of the account. The page's text and its samples name the id differently, so each id of the body may be signed.
"""

import base64
import hmac
import re
from collections.abc import Sequence

from submitter.errors import BadSignature, StaleCallback
from submitter.http.messages import Callback
from submitter.model import ProviderTaskId
from submitter.providers.contract import Account

_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def signed_id(callback: Callback, account: Account, now_ms: int, ids: Sequence[ProviderTaskId]) -> ProviderTaskId:
    """Return which of the ids is signed, the first where no secret is configured.

    Raise BadSignature, or StaleCallback when the signature is right and its time is outside the window.
    """
    if account.webhook_secret is None:
        return ids[0]
    timestamp, given = _single(callback, "x-webhook-timestamp"), _single(callback, "x-webhook-signature")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("X-Webhook-Timestamp is not unix seconds")
    proved = _bytes(given)
    right = [each for each in ids if hmac.compare_digest(signature(account.webhook_secret, each, timestamp), proved)]
    if not right:
        raise BadSignature("X-Webhook-Signature does not match the task id and the time")
    window_s = account.signature_window_s
    if window_s > 0 and abs(now_ms - int(timestamp) * 1000) > window_s * 1000:
        raise StaleCallback("X-Webhook-Timestamp is outside the signature window")
    return right[0]


def signature(secret: str, task_id: str, timestamp: str) -> bytes:
    return base64.b64encode(hmac.digest(_bytes(secret), _bytes(f"{task_id}.{timestamp}"), "sha256"))


def _single(callback: Callback, name: str) -> str:
    values = callback.header_values(name)
    if len(values) != 1:
        raise BadSignature(f"{name} must be there exactly once, found {len(values)}")
    return values[0]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

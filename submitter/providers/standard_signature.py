"""Callbacks that a provider signs by Standard Webhooks with a secret of the account. Pure.

The header can hold several signatures, as while a secret is rotated; one right signature is enough.
"""

from submitter.errors import BadSignature, StaleCallback, WebhookNotVerified
from submitter.http.messages import Callback
from submitter.providers.contract import Account

_ANY_TIME_S = 10**13  # a signature is checked before its time


def verify(callback: Callback, account: Account, now_ms: int) -> bool:
    """Return True for a right signature, False where no secret is configured.

    Raise BadSignature, or StaleCallback when the signature is right and its time is outside the window.
    """
    if account.webhook_secret is None:
        return False
    body = _signed_body(callback, account.webhook_secret, now_ms // 1000)
    if account.signature_window_s > 0:
        try:
            _check(callback, account.webhook_secret, body, now_ms // 1000, account.signature_window_s)
        except WebhookNotVerified as error:
            raise StaleCallback(str(error)) from None
    return True


def _signed_body(callback: Callback, secret: str, now_s: int) -> bytes:
    problem = "the callback has no body"
    for body in callback.signed_forms:
        try:
            _check(callback, secret, body, now_s, _ANY_TIME_S)
        except WebhookNotVerified as error:
            problem = str(error)
        else:
            return body
    raise BadSignature(problem)


def _check(callback: Callback, secret: str, body: bytes, now_s: int, tolerance_s: int) -> None:
    from submitter import standard_webhooks  # here, because it loads cryptography, which most commands never need

    standard_webhooks.verify_webhook([secret], callback.headers, body, now_s=now_s, tolerance_s=tolerance_s)

"""The completion events of DashScope, which come through EventBridge to one address of the account.

Sources, read 2026-11-26: https://help.aliyun.com/en/model-studio/async-task-api for the event, whose times are texts
without a zone, and for the rule; https://help.aliyun.com/en/eventbridge/user-guide/signature-algorithm for the
signature: base64 of RSA with SHA-256 over the target's URL, the fixed headers in their order and the body.

Pitfalls: that page names `https://[RegionId]-eventbridge.oss-accelerate.aliyuncs.com` as the form of a certificate's
host, which is a bucket of an object store where anybody can take a free name; so only the host of the account's own
region counts, which is Beijing unless the settings say otherwise. The unit of the timestamp is not documented, and is
milliseconds in every verifier that was read. The formula ends with the body, and some verifiers found a line feed after
it. The older signature with a temporary secret and HMAC-SHA1 is not checked; such an event counts as unsigned.
"""

from submitter.errors import BadSignature, StaleCallback
from submitter.http.messages import Callback
from submitter.providers.contract import Account
from submitter.providers.json_reader import origin
from submitter.providers.public_keys import is_rsa_signature, rsa_key

SOURCE, TYPE = "acs.dashscope", "dashscope:System:AsyncTaskFinish"

#: How the owner of the account sets up the address.
STEPS = (
    "In the EventBridge console of the account of the API key, region Beijing, open the event bus `default`.",
    f'Create an event rule with the pattern {{"source": ["{SOURCE}"], "type": ["{TYPE}"]}}.',
    "Give it a target of the service type HTTP: this address as the URL, the complete event as the body, no token.",
    "If other programs use the account, filter the rule by a suffix of `data.user_api_unique_key`, which is the model.",
)

#: Of the region for which the events are documented.
KEYS_URL = "https://cn-beijing-eventbridge.oss-accelerate.aliyuncs.com"

#: No life is documented; the name of a certificate has a date in it.
KEYS_LIVE_S = 86_400.0

_SIGNATURE, _CERTIFICATE = "x-eventbridge-signature-v2", "x-eventbridge-signature-url"

_TIMESTAMP = "x-eventbridge-signature-timestamp"

_TOKEN = "x-eventbridge-signature-token"  # noqa: S105 - the name of a header

_METHOD, _VERSION = "x-eventbridge-hash-method", "x-eventbridge-signature-version"

#: In the order of the signed text. The token is the account's own and need not be there.
_SIGNED = (_TIMESTAMP, _METHOD, _VERSION, _CERTIFICATE, _TOKEN)

_EXPECTED = {_METHOD: "SHA256", _VERSION: "1.0"}

_LEAST_MS = 100_000_000_000  # a smaller number counts seconds

_DIGITS = 15  # of a timestamp at most


def keys_url(callback: Callback, account: Account, /) -> str | None:
    if not callback.header_values(_SIGNATURE):
        return None
    url = _one(callback, _CERTIFICATE)
    if account.keys_url is None or origin(url) is None or origin(url) != origin(account.keys_url):
        raise BadSignature(f"the certificate is not at {account.keys_url}, so anybody may have made it")
    return url


def verify_callback(callback: Callback, account: Account, now_ms: int, keys: bytes, /) -> None:
    for name, word in _EXPECTED.items():
        if _one(callback, name) != word:
            raise BadSignature(f"{name} is not {word}")
    if callback.url is None:
        raise BadSignature("the signature covers our address, and WHENFINAL_PUBLIC_URL is not set")
    signed_ms, signature = _signed_at_ms(_one(callback, _TIMESTAMP)), _one(callback, _SIGNATURE)
    before = "\n".join([callback.url, *(f"{name}: {_one(callback, name)}" for name in _signed_names(callback)), ""])
    texts = [before.encode("latin-1", "replace") + body for body in callback.signed_forms]
    if not is_rsa_signature(rsa_key(keys), signature, *(text + end for text in texts for end in (b"", b"\n"))):
        raise BadSignature("the signature is wrong")
    window_ms = account.signature_window_s * 1000
    if window_ms and abs(now_ms - signed_ms) > window_ms:
        raise StaleCallback(f"signed more than {account.signature_window_s} s before or after now")


def _signed_names(callback: Callback) -> tuple[str, ...]:
    return _SIGNED if callback.header_values(_TOKEN) else _SIGNED[:-1]


def _one(callback: Callback, name: str) -> str:
    """Raise BadSignature for a header that is missing or repeated."""
    found = callback.header_values(name)
    if len(found) != 1:
        raise BadSignature(f"{name} is {'repeated' if found else 'missing'}")
    return found[0]


def _signed_at_ms(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadSignature(f"{_TIMESTAMP} is not a number of milliseconds")
    return int(text) if int(text) >= _LEAST_MS else int(text) * 1000

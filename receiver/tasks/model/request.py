"""What a caller asks for: the rules for it, the copy that is stored, and the hash that tells requests apart.

Pure. What the provider and the model accept is checked in `submitter.providers.validation`; here are our own rules.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.store.codec import to_json
from receiver.tasks.model.redaction import redact
from receiver.webhooks.model.endpoint import address_violations, label_violations, secret_violations
from submitter.errors import Violation
from submitter.http.address_guard import AddressGuard
from submitter.providers.contract import Account
from submitter.request import RawRequest, VideoRequest

LONGEST_DEADLINE_S = 604_800  # no provider documents that it remembers a task for longer than a week

LONGEST_QUEUE_S = 604_800  # a week

HIGHEST_PRIORITY = 9

LONGEST_STORED_URI = 256  # characters of a data URI in the stored copy; a longer one is a picture and stored as a hash

LONGEST_STORED_TEXT = 4_096  # characters of base64 without a kind; a longer one is a picture too

LARGE_CHARACTERS = 1 << 20  # of a request that is read and built in a thread; a smaller one takes a few milliseconds

URI_START = 16  # characters among which the kind of a data URI begins

_BASE64 = re.compile(r"[A-Za-z0-9+/_\r\n-]+=*\s*")

_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One video of one provider. Exactly one of `video` and `raw`."""

    provider: str
    video: VideoRequest | None = None
    raw: RawRequest | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notify_url: str | None = None
    #: None with a `notify_url`: the service makes one.
    notify_secret: str | None = field(default=None, repr=False)
    #: None: the deadline of the settings.
    deadline_s: int | None = None
    #: 0 to 9; of two queued tasks of an account the one with the higher number is sent first.
    priority: int = 0
    #: How long it may wait in the queue; 0: refused at once where there is no room. None: as in the settings.
    queue_for_s: int | None = None
    idempotency_key: str | None = None
    #: Whose key that is: keys of two scopes have nothing to do with each other.
    key_scope: str = ""

    @property
    def request(self) -> VideoRequest | RawRequest | None:
        return self.video or self.raw


def validate_task(request: TaskRequest, guard: AddressGuard) -> Iterator[Violation]:
    """Every broken rule of ours, in the order of the fields."""
    if (request.video is None) == (request.raw is None):
        yield Violation(field="video", rule="give exactly one of `video` and `raw`", accepted="one of the two")
    yield from label_violations(request.labels)
    yield from _validate_notify(request, guard)
    if request.deadline_s is not None and not 1 <= request.deadline_s <= LONGEST_DEADLINE_S:
        accepted = f"1 to {LONGEST_DEADLINE_S} seconds"
        yield Violation(field="deadline_s", rule="is out of range", accepted=accepted)
    if not 0 <= request.priority <= HIGHEST_PRIORITY:
        yield Violation(field="priority", rule="is out of range", accepted=f"0 to {HIGHEST_PRIORITY}")
    if request.queue_for_s is not None and not 0 <= request.queue_for_s <= LONGEST_QUEUE_S:
        yield Violation(field="queue_for_s", rule="is out of range", accepted=f"0 to {LONGEST_QUEUE_S} seconds")
    if request.idempotency_key is not None and not _KEY.fullmatch(request.idempotency_key):
        rule, accepted = "is empty, too long or not visible ASCII", "1 to 255 visible ASCII characters"
        yield Violation(field="Idempotency-Key", rule=rule, accepted=accepted)


def _validate_notify(request: TaskRequest, guard: AddressGuard) -> Iterator[Violation]:
    if request.notify_url is None:
        if request.notify_secret is not None:
            yield Violation(field="notify.url", rule="is missing", accepted="an https address")
        return
    yield from address_violations(request.notify_url, guard, field="notify.url")
    if request.notify_secret is not None:
        yield from secret_violations(request.notify_secret, field="notify.secret")


def characters_of(request: TaskRequest) -> int:
    """About how large it is: the texts of the video or of the raw body."""
    return _characters({} if request.request is None else request.request.model_dump())


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(map(_characters, within))


def request_hash(request: TaskRequest) -> str:
    """Equal for requests that ask for the same; the notify secret and the idempotency key do not count."""
    canonical = json.dumps(_values(request), ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def stored_request(request: TaskRequest, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """The copy of the request for the ledger and for readers: without secrets, pictures as kind, size and hash.

    `secrets` are those of the provider's account, which a raw body may hold by mistake.
    """
    present = {name: value for name, value in _values(request).items() if value not in (None, {})}
    return {name: _shortened(value, secrets) for name, value in present.items()}


def full_request(request: TaskRequest, traceparent: str | None) -> str:
    """What `request_of` needs to build the call of a queued task: the video or the raw body, pictures included.

    With the `traceparent` of the request, if it had one.
    """
    values = {**_values(request), "traceparent": traceparent}
    return to_json({name: values[name] for name in ("video", "raw", "traceparent") if values[name] is not None})


def request_of(stored: Mapping[str, Any]) -> VideoRequest | RawRequest:
    """Enough of the request to build its call again; the body of that call is stored separately."""
    if "video" in stored:
        return VideoRequest.model_validate({**stored["video"]})
    return RawRequest.model_validate({**stored["raw"]})


def seal_body(body: bytes, account: Account) -> str:
    """The body of a submit with a digest of the account that it was made for."""
    text = body.decode()
    return f"{_account_digest(text, account)}\n{text}"


def unseal_body(sealed: str | None, account: Account) -> bytes | None:
    """The body again; None when there is none, or when it was made for another account."""
    digest, _, text = (sealed or "").partition("\n")
    return text.encode() if text and digest == _account_digest(text, account) else None


def _account_digest(text: str, account: Account) -> str:
    """Identifies URL and key, since another account knows nothing of our idempotency keys.

    The body is hashed in, because it holds a callback token that nobody can guess: the digest does not reveal which
    tasks have the same account.
    """
    hashed = f"{account.base_url}\0{account.api_key}\0{text}"
    return hashlib.sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()


def _values(request: TaskRequest) -> dict[str, Any]:
    return {
        "provider": request.provider,
        "video": None if request.video is None else request.video.model_dump(mode="json", exclude_defaults=True),
        "raw": None if request.raw is None else request.raw.model_dump(mode="json", exclude_defaults=True),
        "labels": dict(request.labels),
        "notify": None if request.notify_url is None else {"url": request.notify_url},
        "deadline_s": request.deadline_s,
        # Left out where they are not given, because the hash of a request must be that of earlier versions.
        **({"priority": request.priority} if request.priority else {}),
        **({} if request.queue_for_s is None else {"queue_for_s": request.queue_for_s}),
    }


def _shortened(value: object, secrets: Sequence[str]) -> object:
    if isinstance(value, dict):
        return {name: _shortened(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, secrets) for each in value]
    if not isinstance(value, str):
        return value
    is_uri = value[:URI_START].lstrip().lower().startswith("data:")
    if (is_uri and len(value) > LONGEST_STORED_URI) or (len(value) > LONGEST_STORED_TEXT and _BASE64.fullmatch(value)):
        digest = hashlib.sha256(value.encode()).hexdigest()
        kind = f"{value[:40].partition(',')[0]}," if is_uri else value[:12]
        return f"{kind}… ({len(value)} characters, sha256 {digest})"
    return redact(value, secrets)

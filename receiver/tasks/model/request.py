"""What a caller orders: our own rules for it, the copy that is kept, and the hash that tells orders apart.

Pure. What the provider and model take is checked by `submitter.limits`; here is all that is ours.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.webhooks.model.endpoint import NotifyRules, address_violations, label_violations, secret_violations
from submitter.errors import Violation
from submitter.request import RawRequest, VideoRequest

LONGEST_DEADLINE_S = 604_800  # no provider documents that it keeps a task for longer than a week

LONGEST_KEPT_URI = 256  # characters of a data URI in the kept copy; pictures belong into no table

_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One video, from one provider, and what is to happen around it. Exactly one of `video` and `raw`.

    `notify_secret` None with a `notify_url`: one is made. `deadline_s` None: the service's own.
    """

    provider: str
    video: VideoRequest | None = None
    raw: RawRequest | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notify_url: str | None = None
    notify_secret: str | None = field(default=None, repr=False)
    deadline_s: int | None = None
    idempotency_key: str | None = None

    @property
    def request(self) -> VideoRequest | RawRequest | None:
        return self.video or self.raw


def find_violations(order: TaskRequest, rules: NotifyRules) -> Iterator[Violation]:
    """Every broken rule, in the order of the fields."""
    if (order.video is None) == (order.raw is None):
        yield Violation(field="video", rule="give exactly one of `video` and `raw`", accepted="one of the two")
    yield from label_violations(order.labels)
    yield from _notify(order, rules)
    if order.deadline_s is not None and not 1 <= order.deadline_s <= LONGEST_DEADLINE_S:
        accepted = f"1 to {LONGEST_DEADLINE_S} seconds"
        yield Violation(field="deadline_s", rule="is out of range", accepted=accepted)
    if order.idempotency_key is not None and not _KEY.fullmatch(order.idempotency_key):
        rule, accepted = "is empty, too long or not visible ASCII", "1 to 255 visible ASCII characters"
        yield Violation(field="Idempotency-Key", rule=rule, accepted=accepted)


def _notify(order: TaskRequest, rules: NotifyRules) -> Iterator[Violation]:
    if order.notify_url is None:
        if order.notify_secret is not None:
            yield Violation(field="notify.url", rule="is missing", accepted="an https address")
        return
    yield from address_violations(order.notify_url, rules, field="notify.url")
    if order.notify_secret is not None:
        yield from secret_violations(order.notify_secret, rules, field="notify.secret")


def request_hash(order: TaskRequest) -> str:
    """Equal for orders that ask for the same: the notify secret and the key itself are left out."""
    canonical = json.dumps(_values(order), ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def kept_request(order: TaskRequest) -> dict[str, Any]:
    """The caller's order as the ledger keeps it: no secret, and of each data URI only its kind, size and hash."""
    kept: dict[str, Any] = _shortened(
        {name: value for name, value in _values(order).items() if value not in (None, {})}
    )
    return kept


def keep_body(body: bytes, account: Sequence[str]) -> str:
    """The bytes of a submit, under a mark of the account that they went to; the mark tells nothing of the account."""
    text = body.decode()
    return f"{_mark(text, account)}\n{text}"


def kept_body(kept: str | None, account: Sequence[str]) -> bytes | None:
    """The bytes again; None when there are none, or when they went to another account."""
    mark, _, text = (kept or "").partition("\n")
    return text.encode() if text and mark == _mark(text, account) else None


def _mark(text: str, account: Sequence[str]) -> str:
    """The body is hashed in: it holds what nobody can guess, so that equal accounts do not show as equal."""
    return hashlib.sha256("\0".join((*account, text)).encode("utf-8", "surrogatepass")).hexdigest()


def request_of(kept: Mapping[str, Any]) -> VideoRequest | RawRequest:
    """Enough of the request to build its call again; the body of that call is kept on its own."""
    if "video" in kept:
        return VideoRequest.model_validate({**kept["video"]})
    return RawRequest.model_validate({**kept["raw"]})


def _values(order: TaskRequest) -> dict[str, Any]:
    return {
        "provider": order.provider,
        "video": None if order.video is None else order.video.model_dump(mode="json", exclude_defaults=True),
        "raw": None if order.raw is None else order.raw.model_dump(mode="json", exclude_defaults=True),
        "labels": dict(order.labels),
        "notify": None if order.notify_url is None else {"url": order.notify_url},
        "deadline_s": order.deadline_s,
    }


def _shortened(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and value.startswith("data:") and len(value) > LONGEST_KEPT_URI:
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"{value[:40].partition(',')[0]},… ({len(value)} characters, sha256 {digest})"
    return value

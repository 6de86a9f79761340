"""Routes of the API, one row each: a request about a thing, and what a caller outside of a key's limits is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

PROVIDER, LABELS = "hiapi", {"team": "films"}


class Outcome(Enum):
    """What a caller with a valid key of the scope is answered."""

    #: As anybody who may.
    FITS = auto()
    #: 404: there is no such thing.
    ABSENT = auto()
    #: The answer is a good one, and names nothing of the thing.
    NOTHING = auto()
    #: 403 in words.
    OUTSIDE = auto()
    #: The answer is a good one, and says 403 in words of each part.
    PART_OUTSIDE = auto()


FITS, ABSENT, NOTHING, OUTSIDE, PART_OUTSIDE = Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`thing`: what the request is about, which a test makes before; its id stands for `{id}` and `THING`."""

    thing: str = "task"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    #: Of a key that is limited to another provider, and to another value of the label.
    other_provider: Outcome = ABSENT
    other_label: Outcome = ABSENT
    #: Of a key whose limits the thing is within: a provider and a label, and a provider alone.
    both: Outcome = FITS
    provider: Outcome = FITS
    #: What the answer to a fitting request names, where another one names NOTHING.
    named: str = "THING"


THING = "THING"

_HIDDEN: dict[str, Any] = {"other_provider": NOTHING, "other_label": NOTHING}

_REFUSED: dict[str, Any] = {"other_provider": OUTSIDE, "other_label": OUTSIDE}

_WHOLE: dict[str, Any] = {**_REFUSED, "both": OUTSIDE, "provider": OUTSIDE}

#: Of a provider; a label says nothing about it.
_OF_PROVIDER: dict[str, Any] = {"other_provider": ABSENT, "other_label": FITS}

#: All tasks of the account are concerned.
_OF_ACCOUNT: dict[str, Any] = {"other_label": OUTSIDE, "both": OUTSIDE}

_OTHERS_RUN: dict[str, Any] = {"thing": "run", "both": ABSENT, "provider": ABSENT}

_SUBMIT = {"provider": PROVIDER, "video": {"model": "happyhorse-1.1/text-to-video", "prompt": "x"}, "labels": LABELS}

_CONDITIONS = {"providers": [PROVIDER], "labels": LABELS}

_DRY = {"ids": [THING], "dry_run": True}

#: By method and path. A new route needs a row here, or in OPEN.
ROWS: Mapping[str, Row] = {
    "POST /v1/tasks": Row(body=_SUBMIT, **_REFUSED),
    "POST /v1/tasks/batch": Row(body={"tasks": [_SUBMIT]}, other_provider=PART_OUTSIDE, other_label=PART_OUTSIDE),
    "GET /v1/tasks": Row(**_HIDDEN),
    "GET /v1/queue": Row(thing="queued task", query={"limit": "200"}, **_HIDDEN),
    "GET /v1/find": Row(query={"text": THING}, **_HIDDEN),
    "GET /v1/tasks/{id}": Row(),
    "GET /v1/tasks/{id}/timeline": Row(),
    "GET /v1/tasks/{id}/explain": Row(),
    "GET /v1/tasks/{id}/files/{number}": Row(),
    "GET /v1/events": Row(thing="event", query={"limit": "1000"}, **_HIDDEN),
    "GET /v1/events/stream": Row(thing="event", query={"after": "0"}, **_HIDDEN),
    "POST /v1/stream-tokens": Row(body={"conditions": _CONDITIONS}, **_REFUSED),
    "POST /v1/subscriptions": Row(body={"url": "https://127.0.0.1:9/hook", **_CONDITIONS}, **_REFUSED),
    "GET /v1/subscriptions": Row(thing="subscription", **_HIDDEN),
    "GET /v1/subscriptions/{id}": Row(thing="subscription"),
    "PATCH /v1/subscriptions/{id}": Row(thing="subscription", body={"description": "x"}),
    "DELETE /v1/subscriptions/{id}": Row(thing="subscription"),
    "POST /v1/subscriptions/{id}/rotate-secret": Row(thing="subscription", body={}),
    "POST /v1/subscriptions/{id}/test": Row(thing="subscription"),
    "POST /v1/subscriptions/{id}/replay": Row(thing="subscription", body={"first_seq": 1, "dry_run": True}),
    "POST /v1/subscriptions/{id}/resume": Row(thing="subscription"),
    "GET /v1/deliveries": Row(thing="delivery", **_HIDDEN),
    "GET /v1/deliveries/{id}": Row(thing="delivery"),
    "POST /v1/deliveries/{id}/redeliver": Row(thing="delivery"),
    "GET /v1/endpoints": Row(**_WHOLE),
    "POST /v1/endpoints/resume": Row(thing="delivery", body={"endpoint": "https://hooks.example"}, **_WHOLE),
    "POST /v1/tasks/{id}/reconcile": Row(body={"dry_run": True}),
    "POST /v1/reconcile": Row(body={"task_id": THING, "dry_run": True}, **_HIDDEN),
    "POST /v1/tasks/{id}/settle": Row(body={"refused": True}),
    "POST /v1/tasks/{id}/identify": Row(body={"task_id": "p-at-the-provider"}, both=OUTSIDE),
    "POST /v1/tasks/{id}/cancel": Row(),
    "POST /v1/tasks/{id}/look": Row(both=OUTSIDE),
    "GET /v1/providers": Row(other_provider=NOTHING, other_label=FITS, named=f'"name":"{PROVIDER}"'),
    "GET /v1/providers/{name}": Row(**_OF_PROVIDER),
    "POST /v1/providers/{name}/resume": Row(**_OF_ACCOUNT),
    "GET /v1/providers/{name}/callback-address": Row(**_OF_ACCOUNT),
    "GET /v1/providers/{name}/models": Row(**_OF_PROVIDER),
    "GET /v1/models": Row(other_provider=NOTHING, other_label=FITS, named=f'"provider":"{PROVIDER}"'),
    "GET /v1/counts": Row(**_WHOLE),
    "GET /v1/checks": Row(**_WHOLE),
    "GET /v1/audit": Row(**_WHOLE),
    "POST /v1/tasks/reconcile": Row(body=_DRY, **_HIDDEN),
    "POST /v1/tasks/cancel": Row(thing="queued task", body=_DRY, **_HIDDEN),
    "POST /v1/tasks/settle": Row(body={**_DRY, "refused": True}, **_HIDDEN),
    "POST /v1/tasks/look": Row(body=_DRY, **{**_OF_ACCOUNT, "other_provider": NOTHING}),
    "POST /v1/tasks/redeliver": Row(body=_DRY, **_WHOLE),
    "POST /v1/deliveries/redeliver": Row(thing="delivery", body=_DRY, **_HIDDEN),
    "GET /v1/runs": Row(**_WHOLE),
    "GET /v1/runs/{id}": Row(**_OTHERS_RUN),
    "POST /v1/runs/{id}/stop": Row(**_OTHERS_RUN),
    "POST /v1/keys": Row(body={"name": "another", "scopes": ["read"]}, **_WHOLE),
    "GET /v1/keys": Row(**_WHOLE),
    "GET /v1/keys/{id}": Row(thing="key", **_WHOLE),
    "DELETE /v1/keys/{id}": Row(thing="key", **_WHOLE),
}

#: Routes that need no key. What `/metrics` and `/readyz` show is in their own tests.
OPEN = frozenset(
    {
        "POST /callbacks/{provider}/{token}",
        "POST /callbacks/{provider}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /docs",
    }
)

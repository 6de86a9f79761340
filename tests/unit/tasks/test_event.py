"""A task and its events as outsiders see them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.events.model.body import event_of_draft
from receiver.events.model.event import EventType, event_view
from receiver.tasks.model.event import task_draft
from receiver.webhooks.model.subscription import Subscription
from receiver.webhooks.model.views import disabled_draft
from submitter import api
from submitter.model import Output, TaskError, TaskState
from submitter.timestamps import rfc3339
from tests.support.builders import SECRET, T0, notified


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_790_000_000_001, "2026-09-21T14:13:20.001Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (10**18, "9999-12-31T23:59:59.999Z"),
        (None, None),
    ],
)
def test_times_are_rfc_3339_in_utc(at_ms: int | None, text: str | None) -> None:
    assert rfc3339(at_ms) == text


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_a_time_is_written_as_the_standard_library_writes_it(at_ms: int) -> None:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)
    assert rfc3339(at_ms) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _task_values(**changes: Any) -> dict[str, Any]:
    return api.Task.model_validate(notified(**changes)).json_values()


def test_the_body_of_a_task_holds_no_secret_and_no_stored_body() -> None:
    text = json.dumps(_task_values(submit_body='{"token":"t"}', request={"prompt": "p"}))
    assert SECRET not in text
    assert "token" not in text


def test_the_body_of_a_task_holds_the_providers_id_outputs_and_error() -> None:
    output = Output(url="https://cdn.example/v.mp4", expires_at_ms=T0, needs_key=True)
    error = TaskError(code="c", message="m")
    values = _task_values(provider_task_id="p1", outputs=(output,), error=error)
    assert values["task_id"] == "p1"
    assert values["outputs"] == [
        {"type": "video", "url": output.url, "expires_at": "2026-09-21T14:13:20.000Z", "needs_key": True}
    ]
    assert values["error"] == {"code": "c", "message": "m"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"provider_task_id": "p1", "state": TaskState.SUCCEEDED, "progress": 100, "polls": 3, "final_ms": T0 + 1},
        {"outputs": (Output(url="https://a.example/1", type="image", needs_key=True), Output(url="https://b.example"))},
        {"outputs": (Output(url="https://a.example/é", expires_at_ms=T0),), "labels": {"a": "b", "ü": "雪"}},
        {"error": TaskError(code="c", message='a "word" \\ \u2028'), "supersedes": "evt_0", "callback_expected": True},
        {"model": None, "raw_state": "done", "submitted_ms": T0, "deadline_ms": 10**18},
    ],
)
def test_the_task_of_an_event_is_the_one_that_the_api_describes(changes: dict[str, Any]) -> None:
    task = notified(**changes)
    body = event_of_draft(task_draft("evt_1", EventType.SUCCEEDED, task), 17, T0).body
    expected = json.dumps(api.Task.model_validate(task).json_values(), ensure_ascii=False, separators=(",", ":"))
    assert body.endswith(f'"task":{expected}}}}}')


def test_an_event_body_is_a_standard_webhook_with_its_number() -> None:
    event = event_of_draft(task_draft("evt_1", EventType.SUCCEEDED, notified()), 17, T0)
    parsed = json.loads(event.body)
    assert (parsed["type"], parsed["timestamp"]) == ("task.succeeded", "2026-09-21T14:13:20.000Z")
    assert (parsed["data"]["seq"], parsed["data"]["event_id"], parsed["data"]["task"]["id"]) == (17, "evt_1", "tsk_1")


def test_the_event_of_a_disabled_subscription_names_it_without_its_secrets_or_query() -> None:
    subscription = Subscription(
        id="sub_1",
        url="https://hooks.example/a?token=hidden",
        secret=SECRET,
        created_ms=T0,
        changed_ms=T0,
        disabled_ms=T0,
        disabled_reason="answered 410 Gone",
    )
    event = event_of_draft(disabled_draft("evt_1", subscription), 3, T0)
    assert event_view(event) == {
        "seq": 3,
        "event_id": "evt_1",
        "type": "subscription.disabled",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "task": None,
        "supersedes": None,
        "subscription": {
            "id": "sub_1",
            "url": "https://hooks.example/a",
            "reason": "answered 410 Gone",
            "disabled_at": "2026-09-21T14:13:20.000Z",
        },
    }
    assert "hidden" not in event.body
    assert SECRET not in event.body

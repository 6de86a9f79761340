"""Which webhooks the demo's subscribers accept, and how they answer, without a socket."""

import base64
import json
from collections.abc import Mapping

import pytest
from starlette.responses import Response

from receiver.cli.demo.subscribers import (
    BAD_ATTRIBUTES,
    BAD_SIGNATURE,
    NOT_AN_END,
    NOT_OVERLAPPING,
    WRONG_ID,
    Subscriber,
)
from receiver.cli.demo.tally import Channel
from receiver.cli.demo.verification import (
    Credentials,
    is_cloud_event,
    is_signed,
    is_signed_asymmetrically,
    verified_by,
)
from submitter.standard_webhooks import new_signing_key, public_key, webhook_headers


def _secret(number: int) -> str:
    return "whsec_" + base64.b64encode(bytes([number]) * 32).decode()


OLD, NEW = _secret(1), _secret(2)
SIGNING = new_signing_key(bytes(32))
PUBLIC = public_key(SIGNING)
OTHER_PUBLIC = public_key(new_signing_key(bytes([1]) * 32))
CLOUD = {"ce-specversion": "1.0", "ce-id": "evt_1", "ce-type": "task.failed", "ce-source": "urn:x", "ce-time": "now"}


def _signed(body: bytes, *secrets: str, **changes: str) -> dict[str, str]:
    headers = webhook_headers(
        secrets or [OLD], message_id="evt_1", timestamp_s=1_790_000_000, body=body, signing_keys=[SIGNING]
    )
    return dict(headers) | changes


CHANGES: list[dict[str, str]] = [
    {"webhook-id": "evt_2"},
    {"webhook-timestamp": "1790000001"},
    {"webhook-signature": ""},
    {"webhook-signature": "v1,AAAA v1a,AAAA"},
    {"webhook-signature": "v1,é v1a,é"},
]


def test_the_subscriber_accepts_what_the_receiver_signs() -> None:
    assert is_signed(OLD, _signed(b"{}"), b"{}")
    assert is_signed_asymmetrically(PUBLIC, _signed(b"{}"), b"{}")


@pytest.mark.parametrize("changes", CHANGES)
def test_the_subscriber_accepts_nothing_else(changes: dict[str, str]) -> None:
    assert not is_signed(OLD, _signed(b"{}", **changes), b"{}")
    assert not is_signed_asymmetrically(PUBLIC, _signed(b"{}", **changes), b"{}")


def test_the_subscriber_does_not_accept_another_body_or_a_message_without_headers() -> None:
    for headers, body in ((_signed(b"{}"), b"[]"), ({}, b"{}")):
        assert not is_signed(OLD, headers, body)
        assert not is_signed_asymmetrically(PUBLIC, headers, body)


def test_the_subscriber_does_not_accept_a_signature_of_another_key() -> None:
    assert not is_signed(NEW, _signed(b"{}"), b"{}")
    assert not is_signed_asymmetrically(OTHER_PUBLIC, _signed(b"{}"), b"{}")
    assert not is_signed_asymmetrically("whpk_AAAA", _signed(b"{}"), b"{}")


def test_with_a_public_key_both_kinds_of_signature_must_be_right() -> None:
    credentials = [
        Credentials(secret=OLD),
        Credentials(secret=OLD, public_key=PUBLIC),
        Credentials(secret=OLD, public_key=OTHER_PUBLIC),
        Credentials(secret=NEW, public_key=PUBLIC),
    ]
    assert verified_by(credentials, _signed(b"{}"), b"{}") == [True, True, False, False]


@pytest.mark.parametrize("changes", [{}, *({name: ""} for name in CLOUD), {"webhook-id": "evt_2"}])
def test_the_attributes_of_a_cloud_event_must_be_there_and_agree(changes: dict[str, str]) -> None:
    headers = {"webhook-id": "evt_1", **CLOUD, **changes}
    assert is_cloud_event(headers, "task.failed") is not bool(changes)
    assert not is_cloud_event(headers, "task.succeeded")


def _event(*, final_at: str | None = "2026-11-21T12:00:00.000Z") -> bytes:
    task = {"id": "tsk_1", "provider": "hiapi", "task_id": "tk-1", "state": "failed", "final_at": final_at}
    data = {"seq": 1, "event_id": "evt_1", "supersedes": None, "task": task}
    return json.dumps({"type": "task.failed", "data": data}).encode()


BODY = _event()


def _subscriber(channel: Channel, *credentials: Credentials) -> Subscriber:
    return Subscriber(
        channel=channel, url="http://127.0.0.1:1/", credentials=list(credentials or [Credentials(secret=OLD)])
    )


def _answers(subscriber: Subscriber, *messages: Mapping[str, str], body: bytes = BODY) -> list[Response]:
    return [subscriber.answer(headers, body) for headers in messages]


@pytest.mark.parametrize(
    ("channel", "status", "retry_after"),
    [(Channel.EVERYTHING, 500, None), (Channel.FAILURES, 429, "1"), (Channel.NOTIFY, 204, None)],
)
def test_the_first_webhook_is_rejected_where_planned_and_accepted_when_it_comes_again(
    channel: Channel, status: int, retry_after: str | None
) -> None:
    subscriber = _subscriber(channel)
    first, second = _answers(subscriber, _signed(BODY) | CLOUD, _signed(BODY) | CLOUD)
    assert (first.status_code, first.headers.get("retry-after")) == (status, retry_after)
    assert second.status_code == 204
    assert subscriber.event_ids == {"evt_1"}
    assert (subscriber.waited_s is not None) is (status != 204)
    assert not subscriber.faults


def test_a_webhook_without_a_right_signature_is_rejected_and_not_stored() -> None:
    subscriber = _subscriber(Channel.NOTIFY)
    (answer,) = _answers(subscriber, _signed(BODY, NEW))
    assert answer.status_code == 401
    assert (subscriber.faults, subscriber.received) == ({BAD_SIGNATURE: 1}, [])


def test_before_a_secret_is_known_nothing_is_accepted() -> None:
    subscriber = Subscriber(channel=Channel.NOTIFY, url="http://127.0.0.1:1/")
    assert _answers(subscriber, _signed(BODY))[0].status_code == 401


def test_within_the_overlap_webhooks_with_both_signatures_are_counted() -> None:
    subscriber = _subscriber(Channel.NOTIFY, Credentials(secret=OLD), Credentials(secret=NEW))
    _answers(subscriber, _signed(BODY, NEW, OLD), _signed(BODY, OLD))
    assert (subscriber.overlapping, len(subscriber.received)) == (1, 2)
    assert not subscriber.faults


def test_within_the_overlap_a_webhook_without_the_old_signature_is_a_fault() -> None:
    subscriber = _subscriber(Channel.NOTIFY, Credentials(secret=OLD), Credentials(secret=NEW))
    _answers(subscriber, _signed(BODY, NEW))
    assert subscriber.faults == {NOT_OVERLAPPING: 1}


def test_missing_cloudevents_attributes_are_a_fault() -> None:
    subscriber = _subscriber(Channel.EVERYTHING)
    _answers(subscriber, _signed(BODY), _signed(BODY))
    assert subscriber.faults == {BAD_ATTRIBUTES: 1}


def test_a_webhook_under_another_id_than_its_events_is_a_fault() -> None:
    subscriber, body = _subscriber(Channel.NOTIFY), BODY.replace(b"evt_1", b"evt_2")
    assert subscriber.answer(_signed(body), body).status_code == 204
    assert subscriber.faults == {WRONG_ID: 1}


def test_an_event_that_is_no_end_is_accepted_and_not_stored_as_one() -> None:
    subscriber, overdue, message = (
        _subscriber(Channel.NOTIFY),
        _event(final_at=None),
        b'{"type": "webhook.test", "data": {}}',
    )
    statuses = [subscriber.answer(_signed(body), body).status_code for body in (overdue, message)]
    assert statuses == [204, 204]
    assert (subscriber.faults, subscriber.received) == ({NOT_AN_END: 2}, [])

"""The client opening webhooks, as handlers in web frameworks hand them over."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers as StarletteHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from submitter import Client, Event, OtherMessage, SubscriptionDisabled, open_webhook
from submitter.api import Message
from submitter.errors import WebhookNotVerified
from submitter.http.messages import Headers
from submitter.standard_webhooks import new_signing_key, public_key, webhook_headers
from tests.support.builders import SECRET
from tests.support.stream_bytes import a_disabled_event, an_event

OTHER = "whsec_" + "A" * 32
SIGNING = new_signing_key(bytes(range(32)))


def _body(event: dict[str, Any]) -> bytes:
    """The webhook of a flat event, as the receiver nests it."""
    data = {name: value for name, value in event.items() if name not in {"type", "timestamp"}}
    return json.dumps({"type": event["type"], "timestamp": event["timestamp"], "data": data}).encode()


BODY = _body(an_event(17))


def _signed(body: bytes = BODY, *, age_s: int = 0, secret: str = SECRET) -> Headers:
    return webhook_headers(
        [secret], message_id="evt_17", timestamp_s=int(time.time()) - age_s, body=body, signing_keys=[SIGNING]
    )


def _client(*secrets: str) -> Client:
    return Client("http://127.0.0.1:9", "key", webhook_secrets=secrets or (OTHER, SECRET))


def test_a_verified_webhook_is_the_same_event_as_the_streams() -> None:
    event = _client().verify_webhook(_signed(), BODY)
    assert isinstance(event, Event)
    assert (event.seq, event.event_id, event.type, event.task.id) == (17, "evt_17", "task.succeeded", "tsk_1")


def test_a_public_key_opens_what_was_signed_with_its_signing_key() -> None:
    assert isinstance(_client(public_key(SIGNING)).verify_webhook(_signed(secret=OTHER), BODY), Event)


def test_an_event_for_the_operator_and_a_test_have_classes_of_their_own() -> None:
    disabled = _body(a_disabled_event(3))
    opened = _client().verify_webhook(_signed(disabled), disabled)
    assert isinstance(opened, SubscriptionDisabled)
    assert (opened.subscription, opened.url) == ("sub_1", "https://hooks.example/a")
    trial = b'{"type":"webhook.test","timestamp":"2026-09-21T14:13:20.000Z","data":{"subscription":"sub_1"}}'
    message = _client().verify_webhook(_signed(trial), trial)
    assert isinstance(message, OtherMessage)
    assert (message.type, message.data) == ("webhook.test", {"subscription": "sub_1"})


@pytest.mark.parametrize(
    "given",
    [
        dict,
        list,
        lambda headers: {name.title(): value for name, value in headers},
        lambda headers: iter([(name.upper(), value) for name, value in headers]),
        lambda headers: StarletteHeaders(dict(headers)),
    ],
    ids=["mapping", "pairs", "title case", "iterator", "starlette"],
)
def test_headers_come_in_any_form_and_case(given: Callable[[Headers], Any]) -> None:
    assert isinstance(_client().verify_webhook(given(_signed()), BODY), Event)


@pytest.mark.parametrize(
    "signed",
    [
        lambda body: {},
        lambda body: _signed(body + b" "),
        lambda body: _signed(body, secret="whsec_" + "B" * 32)[:2],
        lambda body: _signed(body, age_s=400),
        lambda body: _signed(body, age_s=-400),
    ],
    ids=["without headers", "another body", "another secret", "too old", "too new"],
)
def test_a_webhook_that_is_not_rightly_signed_is_not_verified(signed: Callable[[bytes], Any]) -> None:
    _is_not_verified(signed(BODY), BODY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"type":"task.failed","data":3}',
        _body(an_event(1, task={"id": 3})),
        _body(an_event(1) | {"seq": "x"}),
        _body(an_event(1, type="subscription.disabled")),
    ],
)
def test_whatever_is_not_a_receivers_webhook_is_not_verified(body: bytes) -> None:
    _is_not_verified(_signed(body), body)


def _is_not_verified(headers: Any, body: bytes) -> None:
    with pytest.raises(WebhookNotVerified) as raised:
        _client().verify_webhook(headers, body)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("secrets", [("plain",), ("whsec_%",), ("whpk_YQ==",), (SECRET, ""), tuple(SECRET)])
def test_secrets_that_could_never_verify_are_refused_when_the_client_is_made(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"webhook secret|public key|base64"):
        _client(*secrets)


def test_a_client_without_secrets_says_so_rather_than_refusing_every_webhook() -> None:
    with pytest.raises(ValueError, match="webhook_secrets"):
        Client("http://127.0.0.1:9", "key").verify_webhook(_signed(), BODY)


def test_secrets_do_not_show() -> None:
    assert SECRET not in repr(_client()) + str(_client())


def test_a_webhook_can_be_opened_without_a_client() -> None:
    message: Message = open_webhook([SECRET], dict(_signed()), BODY)
    assert isinstance(message, Event)


def test_a_handler_of_a_framework_needs_no_more_than_its_own_headers_and_body() -> None:
    client = _client()

    async def hook(request: Request) -> Response:
        try:
            message = client.verify_webhook(request.headers, await request.body())
        except WebhookNotVerified:
            return Response(status_code=400)
        return Response(message.type)

    with TestClient(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as web:
        assert web.post("/hook", content=BODY, headers=dict(_signed())).text == "task.succeeded"
        assert web.post("/hook", content=BODY).status_code == 400

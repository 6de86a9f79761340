"""What the service posts, verified by the published libraries that a subscriber may use, and by none of our own code.

Traps in them, as of these versions: `standardwebhooks` raises a bare ValueError for a signature that has not one comma,
so nothing of another form may stand beside ours; `svix` stands on it and returns nothing; `unwrap` of `openai` gives an
object of its own kinds of events. All decode the body, which is therefore UTF-8 always.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
import standardwebhooks
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from receiver.runtime.store import open_store
from receiver.webhooks.model.subscription import Subscription
from submitter import Client, Event
from submitter.standard_webhooks import new_signing_key, public_key
from tests.support.builders import a_report, a_task
from tests.support.deliverer_setup import open_deliverer
from tests.support.raw_server import reply, replying, serving

SECRET, PREVIOUS, STRANGERS = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
SIGNING, PREVIOUS_SIGNING, STRANGERS_SIGNING = (new_signing_key(bytes([number]) * 32) for number in (4, 5, 6))
HOUR_MS = 3_600_000

#: What verifies with a secret, a body and headers; it raises when it does not.
Judge = Callable[[str, bytes, dict[str, str]], None]


@dataclass(frozen=True, kw_only=True)
class Delivered:
    headers: dict[str, str]
    body: bytes


def _standardwebhooks(secret: str, body: bytes, headers: dict[str, str]) -> None:
    standardwebhooks.Webhook(secret).verify(body, headers)


def _svix(secret: str, body: bytes, headers: dict[str, str]) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


def _openai(secret: str, body: bytes, headers: dict[str, str]) -> None:
    with openai.OpenAI(api_key="none", webhook_secret=secret) as client:
        client.webhooks.verify_signature(body, headers)
        client.webhooks.unwrap(body, headers)


JUDGES = pytest.mark.parametrize("judge", [_standardwebhooks, _svix, _openai])


def _subscription(url: str, now_ms: int) -> Subscription:
    """In the middle of a rotation, and with all that can be asked for."""
    return Subscription(
        id="sub_1",
        url=url,
        secret=SECRET,
        previous_secret=PREVIOUS,
        signing_key=SIGNING,
        previous_signing_key=PREVIOUS_SIGNING,
        previous_until_ms=now_ms + HOUR_MS,
        cloudevents=True,
        created_ms=now_ms,
        changed_ms=now_ms,
    )


@pytest.fixture(name="delivered")
async def _delivered(tmp_path: Path) -> Delivered:
    """One event, from the ledger through the outbox to a socket. The judges read the clock, so all goes by it."""

    def clock() -> int:
        return int(time.time() * 1000)

    async with (
        serving(replying(reply(b"", status=b"204 No Content"))) as server,
        open_store(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock, migrating=True) as store,
    ):
        assert await store.subscriptions.add(_subscription(server.url, clock()), actor="a test", now_ms=clock())
        await store.submissions.open_task(a_task("tsk_1", labels={"电影": "完成 é 🎬"}), clock())
        await store.ledger.record([a_report(expected_task_id="tsk_1")], clock())
        async with open_deliverer(store.outbox, clock=clock) as deliverer:
            assert (await deliverer.deliver_once(limit=10)).delivered == 1
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return Delivered(headers={name.lower(): value.strip() for name, _, value in lines}, body=body)


@JUDGES
@pytest.mark.parametrize("secret", [SECRET, PREVIOUS], ids=["current", "previous"])
def test_a_published_library_verifies_a_delivery_in_a_rotation(delivered: Delivered, judge: Judge, secret: str) -> None:
    judge(secret, delivered.body, delivered.headers)
    assert json.loads(delivered.body)["data"]["task"]["labels"] == {"电影": "完成 é 🎬"}


@JUDGES
def test_a_published_library_refuses_what_is_not_ours(delivered: Delivered, judge: Judge) -> None:
    changed = delivered.body.replace(b"tsk_1", b"tsk_2")
    assert changed != delivered.body
    other_id = delivered.headers | {"webhook-id": "evt_other"}
    for secret, body, headers in (
        (STRANGERS, delivered.body, delivered.headers),
        (SECRET, changed, delivered.headers),
        (SECRET, delivered.body, other_id),
    ):
        with pytest.raises(Exception, match=r"(?i)signature"):
            judge(secret, body, headers)


def test_ed25519_signatures_are_verified_by_plain_cryptography(delivered: Delivered) -> None:
    signatures = delivered.headers["webhook-signature"].split(" ")
    assert [signature.partition(",")[0] for signature in signatures] == ["v1", "v1", "v1a", "v1a"]
    stamp = f"{delivered.headers['webhook-id']}.{delivered.headers['webhook-timestamp']}.".encode()
    for signing_key, signature in zip((SIGNING, PREVIOUS_SIGNING), signatures[2:], strict=True):
        given = base64.b64decode(signature.removeprefix("v1a,"))
        _ed25519(signing_key).verify(given, stamp + delivered.body)
        for key, content in ((STRANGERS_SIGNING, stamp + delivered.body), (signing_key, stamp + b"x")):
            with pytest.raises(InvalidSignature):
                _ed25519(key).verify(given, content)


def _ed25519(signing_key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(signing_key).removeprefix("whpk_")))


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS, public_key(SIGNING), public_key(PREVIOUS_SIGNING)])
def test_our_own_client_opens_a_delivery_with_any_one_of_its_keys(delivered: Delivered, secret: str) -> None:
    client = Client("http://127.0.0.1:9", "key", webhook_secrets=[STRANGERS, secret])
    event = client.verify_webhook(delivered.headers, delivered.body)
    assert isinstance(event, Event)
    assert (event.event_id, event.task.id) == (delivered.headers["webhook-id"], "tsk_1")

"""An endpoint that answers 2xx and then breaks, hangs or mislabels a body that nobody needs has the webhook."""

import time

import pytest

from receiver.config.settings import Settings
from receiver.runtime.transports import WEBHOOK_BODY_S, _webhook_limits
from receiver.webhooks.model.endpoint import new_webhook_secret
from receiver.webhooks.sender import RESPONSE_CAP_BYTES, Webhook, send_webhook
from submitter.http.transport import TransportLimits, open_transport
from tests.support.raw_server import Answering, Peer, reply, serving

LIMITS = TransportLimits(whole_s=60, body_s=0.3, max_reply_bytes=RESPONSE_CAP_BYTES)

ANSWERS = {
    "shorter than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok",
    "chunks without an end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "no chunks at all": b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\nplain text\r\n",
    "plain text said to be gzip": reply(b"nope", b"Content-Encoding: gzip"),
    "gzip that is damaged": reply(b"\x1f\x8b\x08\x00nope nope nope nope", b"Content-Encoding: gzip"),
    "a coding that nobody asked for": reply(b"\x0b\x02\x80", b"Content-Encoding: br"),
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "longer than the cap": reply(b"x" * 500_000),
    "a long header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 9_000 + b"\r\nContent-Length: 0\r\n\r\n",
}


def _answering(raw: bytes, *, close: bool) -> Answering:
    async def answer(peer: Peer, _: int) -> None:
        await peer.say(raw)
        if close:
            peer.writer.close()

    return answer


@pytest.mark.parametrize("close", [True, False], ids=["closes", "hangs"])
@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS)
async def test_a_webhook_that_was_answered_2xx_is_delivered(raw: bytes, *, close: bool) -> None:
    async with serving(_answering(raw, close=close)) as server, open_transport(LIMITS) as transport:
        webhook = Webhook(url=server.url, message_id="m", body="{}", secrets=(new_webhook_secret(b"s" * 24),))
        attempt = await send_webhook(webhook, transport, clock=lambda: int(time.time() * 1000))
    assert (attempt.is_success, attempt.status, attempt.error) == (True, int(raw[9:12]), None)
    assert attempt.latency_ms < 30_000


@pytest.mark.parametrize(("timeout_s", "body_s"), [("15", WEBHOOK_BODY_S), ("1", 1.0)])
def test_the_service_waits_for_such_a_body_no_longer_than_for_an_answer(timeout_s: str, body_s: float) -> None:
    given = {"WHENFINAL_WEBHOOK_TIMEOUT_S": timeout_s, "WHENFINAL_WEBHOOK_CONNECT_S": "1"}
    assert _webhook_limits(Settings.from_mapping(given)).body_s == body_s

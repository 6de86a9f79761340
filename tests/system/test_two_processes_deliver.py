"""Two real processes deliver from one outbox while it is changed manually and one of them is killed."""

import hashlib
import hmac
import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.support.cli import API_KEYS, OPERATOR, TIMEOUT_S, Cli

CALLBACK_SECRET = "the-webhook-secret-of-these-tests"
EVENTS = 60
AUTH = {"Authorization": f"Bearer {OPERATOR}"}


@dataclass(eq=False)
class Endpoint:
    """Answers each webhook 200 after a moment; what came, by path."""

    url: str = ""
    came: defaultdict[str, list[tuple[dict[str, str], bytes]]] = field(default_factory=lambda: defaultdict(list))

    def ids(self, path: str) -> list[str]:
        return [headers["webhook-id"] for headers, _ in tuple(self.came[path])]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.came[self.path].append(({name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(0.05)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, trust_env=False, timeout=30, headers=AUTH) as client:
        yield client


def _until(is_so: Callable[[], object]) -> None:
    until_s = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def _call_back(http: httpx.Client, provider_task_id: str) -> None:
    output = [{"url": "https://cdn.example/v.mp4", "type": "video"}]
    body = json.dumps({"taskId": provider_task_id, "status": "success", "output": output}).encode()
    now = str(int(time.time()))
    signature = hmac.new(CALLBACK_SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-HiAPI-Timestamp": now, "X-HiAPI-Signature": signature}
    assert http.post("/callbacks/hiapi", content=body, headers=headers).status_code == 204


def _subscribe(http: httpx.Client, url: str, **more: Any) -> dict[str, Any]:
    reply = http.post("/v1/subscriptions", json={"url": url, **more})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def _states(http: httpx.Client, subscription: str) -> set[str]:
    params: dict[str, str | int] = {"subscription": subscription, "limit": 200}
    return {each["state"] for each in http.get("/v1/deliveries", params=params).json()["deliveries"]}


def _change_subscriptions(http: httpx.Client, made: dict[str, dict[str, Any]], elsewhere: str) -> str:
    """The new secret of `b`; `c` is deleted, `d` disabled and enabled at another address."""
    path = {name: f"/v1/subscriptions/{each['id']}" for name, each in made.items()}
    rotated = http.post(f"{path['b']}/rotate-secret", json={})
    assert http.delete(path["c"]).status_code == 204
    assert http.patch(path["d"], json={"enabled": False}).json()["state"] == "disabled"
    assert http.patch(path["d"], json={"enabled": True, "url": elsewhere}).json()["state"] == "active"
    replay = http.post(f"{path['a']}/replay", json={"which": "missing", "first_seq": 1})
    assert replay.json()["made_due"] == 0
    secret: str = rotated.json()["secret"]
    return secret


def test_pending_deliveries_survive_a_kill_and_changes_of_the_subscriptions(
    cli: Cli, endpoint: Endpoint, http: httpx.Client
) -> None:
    receiving = cli.with_settings(
        HIAPI_API_KEY="a-key",
        HIAPI_BASE_URL="http://127.0.0.1:9",
        HIAPI_WEBHOOK_SECRET=CALLBACK_SECRET,
        WHENFINAL_API_KEYS=API_KEYS,
        WHENFINAL_ALLOW_PRIVATE="127.0.0.0/8",
        WHENFINAL_PROVIDER_TIMEOUT_S="5",
        WHENFINAL_WEBHOOK_CONNECT_S="5",
        WHENFINAL_WEBHOOK_TIMEOUT_S="5",
        WHENFINAL_LEASE_S="6",
    )
    with receiving.running("web", "--port", "0") as web:
        http.base_url = httpx.URL(web.url)
        made = {name: _subscribe(http, f"{endpoint.url}/{name}", max_in_flight=2) for name in ("a", "b", "c", "d")}
        with receiving.running("worker") as killed, receiving.running("worker"):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda number: _call_back(http, f"p{number}"), range(EVENTS)))
            _until(lambda: len(endpoint.ids("/a")) > 5)
            killed.stop(signal.SIGKILL)
            secret = _change_subscriptions(http, made, f"{endpoint.url}/e")
            _until(lambda: all(_states(http, made[name]["id"]) == {"delivered"} for name in "abd"))
        events = {event["event_id"] for event in http.get("/v1/events", params={"limit": 500}).json()["events"]}
    assert len(events) == EVENTS
    assert set(endpoint.ids("/a")) == set(endpoint.ids("/b")) == events
    assert set(endpoint.ids("/d") + endpoint.ids("/e")) == events
    assert endpoint.ids("/e")
    assert len(endpoint.ids("/c")) < EVENTS
    # What the killed one had under way may have come twice, and nothing else.
    assert max(len(endpoint.ids(path)) for path in ("/a", "/b")) <= EVENTS + 2
    for headers, body in endpoint.came["/b"]:
        Webhook(made["b"]["secret"]).verify(body, headers)
    headers, body = endpoint.came["/b"][-1]
    Webhook(secret).verify(body, headers)

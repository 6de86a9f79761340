"""`whenfinal listen`: webhooks on this machine, shown, verified and forwarded; its subscription goes with it."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from receiver.cli.commands import listen
from submitter import Client, Event, SyncClient, open_webhook
from submitter.api_webhooks import Subscription
from submitter.client import conversation
from submitter.errors import ReceiverRefused
from tests.support.builders import SECRET
from tests.support.cli import OPERATOR, TIMEOUT_S, WHENFINAL, Cli, Process, request_line
from tests.support.raw_server import Peer, replying, serving
from tests.support.stream_bytes import problem

LOOPBACK = "127.0.0.0/8"


class Listening(Process):
    """A running `listen`, and the lines of its stdout."""

    def shown(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline()

    @property
    def address(self) -> str:
        return self.line_with("listening on").split()[2]

    @property
    def subscription(self) -> str:
        return self.line_with("listening on").split()[4].rstrip(",;")


@contextmanager
def _listening(cli: Cli, *arguments: str) -> Iterator[Listening]:
    """It can be stopped; a patience that ends kills it, and its stdout then ends."""
    with subprocess.Popen(
        [WHENFINAL, "listen", *arguments],
        cwd=cli.folder,
        env=cli.whole_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as popen:
        process = Listening(popen=popen)
        patience = threading.Timer(TIMEOUT_S, popen.kill)
        reader = threading.Thread(target=process.read, daemon=True)
        patience.start()
        reader.start()
        try:
            yield process
        finally:
            patience.cancel()
            popen.kill()
            popen.wait()
            reader.join()


@pytest.fixture
def served(simulated: Cli) -> Iterator[tuple[Cli, str]]:
    """A shell that works at a running service, and the address of that."""
    home = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE=LOOPBACK)
    with home.running("serve", "--port", "0") as server:
        yield _shell(home, server.url), server.url


def _shell(home: Cli, url: str) -> Cli:
    return Cli(folder=home.folder, environment={"WHENFINAL_URL": url, "WHENFINAL_API_KEY": OPERATOR})


def _submit(url: str, **more: Any) -> str:
    with SyncClient(url, OPERATOR) as client:
        return client.submit(**json.loads(request_line(**more))).id


def _subscriptions(url: str) -> list[str]:
    with SyncClient(url, OPERATOR) as client:
        return [each.id for each in client.subscriptions.all()]


def test_each_webhook_is_shown_with_its_signature_checked_and_the_subscription_goes_with_the_command(
    served: tuple[Cli, str],
) -> None:
    shell, url = served
    with _listening(shell, "--type", "task.succeeded", "--label", "film=1") as listening:
        made = listening.subscription
        assert _subscriptions(url) == [made]
        _submit(url)
        task = _submit(url, labels={"film": "1"})
        line = listening.shown()
        assert f"task.succeeded  {task}  hiapi  succeeded  signature right, answered 204" in line
        assert listening.stop(signal.SIGINT) == 0
    assert _subscriptions(url) == []


def test_each_webhook_is_one_json_value_a_line_for_programs(served: tuple[Cli, str]) -> None:
    shell, url = served
    with _listening(shell, "--json") as listening:
        assert listening.address.startswith("http://127.0.0.1:")
        task = _submit(url)
        told = json.loads(listening.shown())
        assert listening.stop(signal.SIGTERM) == 0
    assert (told["verified"], told["answered"], told["problem"]) == (True, 204, None)
    assert (told["body"]["data"]["task"]["id"], told["body"]["data"]["event_id"]) == (task, told["id"])
    assert _subscriptions(url) == []


def test_a_wrong_signature_is_shown_as_refused_and_answered_400(served: tuple[Cli, str]) -> None:
    with _listening(served[0]) as listening:
        forged = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        for headers in ({}, forged):
            request = urllib.request.Request(listening.address, b"\x1b[31m{}", headers, method="POST")
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(request, timeout=TIMEOUT_S)
        assert "refused: webhook-id must be there once; answered 400" in listening.shown()
        assert "refused: " in listening.shown()


Got = tuple[list[tuple[str, str]], bytes]


@contextmanager
def _program(answers: list[int]) -> Iterator[tuple[str, "Queue[Got]"]]:
    """A program of the user's, which keeps what it gets and answers these statuses, the last one again and again."""
    got: Queue[Got] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.put((list(self.headers.items()), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
            """Write nothing to stderr."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks?from=listen", got
        finally:
            server.shutdown()
            thread.join()


def test_a_program_gets_each_webhook_as_it_came_and_its_answer_counts(served: tuple[Cli, str]) -> None:
    shell, url = served
    (shell.folder / "secret").write_text(SECRET)
    options = ("--secret-file", "secret", "--json")
    with _program([500, 200]) as (program, got), _listening(shell, "--forward-to", program, *options) as listening:
        assert f"forwarding to {program}" in listening.line_with("listening on")
        task = _submit(url)
        first, again = got.get(timeout=TIMEOUT_S), got.get(timeout=TIMEOUT_S)
        told = [json.loads(listening.shown()) for _ in range(2)]
        listening.stop()
    assert [each["answered"] for each in told] == [500, 200]
    for headers, body in (first, again):
        message = open_webhook([SECRET], headers, body)
        assert isinstance(message, Event)
        assert (message.task.id, message.event_id, dict(headers)["webhook-id"]) == (task, told[0]["id"], told[0]["id"])
    assert first[1] == again[1]


def test_a_program_that_is_away_leaves_the_webhook_to_the_retries(served: tuple[Cli, str]) -> None:
    shell, url = served
    with _listening(shell, "--forward-to", "http://127.0.0.1:9/hooks") as listening:
        listening.line_with("listening on")
        _submit(url)
        assert "answered 502; http://127.0.0.1:9/hooks gives no answer: connection refused" in listening.shown()


def test_a_service_that_sends_nothing_to_this_machine_is_told_in_one_line(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server:
        shell = _shell(simulated, server.url)
        done = shell.run("listen")
        tunnel = shell.run("listen", "--address", "http://127.0.0.1:1/")
        assert _subscriptions(server.url) == []
    (line,) = done.err.splitlines()
    assert (done.status, "WHENFINAL_ALLOW_PRIVATE" in line, "--address https://" in line) == (1, True, True)
    assert (tunnel.status, len(tunnel.err.splitlines())) == (1, 1)


def test_an_address_that_does_not_lead_here_is_told_and_leaves_no_subscription(served: tuple[Cli, str]) -> None:
    shell, url = served
    with _program([204]) as (elsewhere, _):
        done = shell.run("listen", "--address", elsewhere)
        away = shell.run("listen", "--address", "http://127.0.0.1:9/")
    (line,) = done.err.splitlines()
    assert (done.status, "204 was answered there, but not by this command" in line) == (1, True)
    assert (away.status, "does not reach this command" in away.err) == (1, True)
    assert _subscriptions(url) == []


def test_without_a_service_the_command_delivers_itself(simulated: Cli) -> None:
    home = simulated.with_settings(WHENFINAL_ALLOW_PRIVATE=LOOPBACK)
    assert home.run("migrate").status == 0
    with _listening(home) as listening:
        listening.line_with("listening on")
        assert home.run("submit", "-", stdin=request_line(provider="tokenbay")).status == 0
        assert "task.succeeded" in listening.shown()
        assert listening.stop(signal.SIGINT) == 0
    assert home.run("subscriptions", "list").out.strip() == "there is no subscription"


def test_what_a_killed_command_left_over_is_removed_when_it_is_old_and_nothing_else(served: tuple[Cli, str]) -> None:
    shell, url = served
    with _listening(shell) as listening:
        killed = listening.subscription
        assert listening.stop(signal.SIGKILL) == -signal.SIGKILL
    with SyncClient(url, OPERATOR) as client:
        others = client.subscriptions.create("http://127.0.0.1:9/mine", description="mine")
    with _listening(shell) as listening:
        made = listening.subscription
        assert set(_subscriptions(url)) == {killed, others.id, made}
        listening.stop()
    with sqlite3.connect(shell.folder / "whenfinal.db", timeout=TIMEOUT_S) as ledger:
        ledger.execute("UPDATE subscriptions SET changed_ms = changed_ms - 90000000")
    ledger.close()
    with _listening(shell) as listening:
        assert f"removed {killed}" in listening.line_with("removed")
        made = listening.subscription
        assert set(_subscriptions(url)) == {others.id, made}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--forward-to", "localhost:3000"), "--forward-to: 'localhost:3000' is not a URL"),
        (("--forward-to", "http://"), "is not a URL"),
        (("--address", "ftp://h/"), "--address"),
        (("--address", "http://h\n"), "is not a URL"),
        (("--label", "a=1", "--label", "a=2"), "given twice"),
        (("--type", "task.done"), "task.done"),
        (("--port", "70000"), "--port"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_opened(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    done = cli.run("listen", *arguments)
    assert (done.status, words in done.err, "Traceback" in done.err) == (2, True, False)
    assert cli.files() == set()


def test_a_port_in_use_is_told_with_the_option_that_chooses_another(cli: Cli) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        done = cli.run("listen", "--port", str(taken.server_port))
    assert (done.status, "it is in use" in done.err, "--port" in done.err) == (1, True, True)


def test_a_reader_that_goes_away_ends_the_command_and_removes_the_subscription(served: tuple[Cli, str]) -> None:
    shell, url = served
    with _listening(shell) as listening:
        listening.line_with("listening on")
        assert listening.popen.stdout is not None
        listening.popen.stdout.close()
        _submit(url)
        assert listening.popen.wait(TIMEOUT_S) == 1
    assert _subscriptions(url) == []


async def _never() -> None:
    await asyncio.Event().wait()


async def test_a_service_that_is_away_while_the_subscription_is_refreshed_does_not_end_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "REFRESH_S", 0.01)
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", ())
    made = Subscription.model_construct(id="sub_1")
    stopped, telling = asyncio.Event(), asyncio.create_task(_never())

    async def answer(peer: Peer, number: int) -> None:
        if number % 2:
            peer.writer.close()
        else:
            await peer.say(problem(503, "stopping"))

    async with serving(answer) as server, Client(server.url.removesuffix("/a"), "key") as client:
        waiting = asyncio.create_task(listen._until(stopped, telling, client, made))
        async with asyncio.timeout(TIMEOUT_S):
            reached = asyncio.create_task(server.until_requests(4))
            await asyncio.wait({waiting, reached}, return_when=asyncio.FIRST_COMPLETED)
            assert not waiting.done()
            stopped.set()
            await waiting


async def test_a_subscription_that_is_gone_when_it_is_refreshed_ends_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listen, "REFRESH_S", 0.01)
    made = Subscription.model_construct(id="sub_1")
    stopped, telling = asyncio.Event(), asyncio.create_task(_never())
    async with (
        serving(replying(problem(404, "not-found"))) as server,
        Client(server.url.removesuffix("/a"), "key") as client,
    ):
        with pytest.raises(ReceiverRefused, match="404"):
            await listen._until(stopped, telling, client, made)
    stopped.set()
    telling.cancel()

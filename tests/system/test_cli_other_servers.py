"""The shell at a URL behind which a proxy, another program or nothing whole answers: one clear line."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cli import OPERATOR, Cli

JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
PROBLEM = (
    "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n"
    '{"type":"urn:whenfinal:problem:not-found","title":"There is no such thing here","status":404,"detail":"DETAIL"}'
)
OTHERS = {
    "a route that it does not have": (PROBLEM.replace("DETAIL", "No such address."), "does not know this request"),
    "a proxy's 502": ("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>", "something that is not whenfinal"),
    "a login page": ("HTTP/1.1 302 Found\r\nLocation: /login\r\nConnection: close\r\n\r\n", "status 302"),
    "a cut answer": (f'{JSON}Content-Length: 999\r\n\r\n{{"providers":[', "ended before the answer"),
    "no HTTP": ("SSH-2.0-OpenSSH_9.6\r\n", "ended before the answer"),
    "an end without a word": ("", "ended before the answer"),
}  # fmt: skip


@contextmanager
def _answering(said: str) -> Iterator[str]:
    """A server that says the same to everyone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65_536)
                peer.sendall(said.encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_service_of_this_version_is_told_in_one_line(name: str, cli: Cli) -> None:
    said, words = OTHERS[name]
    with _answering(said) as url:
        done = cli.with_settings(WHENFINAL_API_KEY=OPERATOR).run("providers", "list", "--url", url)
    (line,) = done.err.splitlines()
    assert (done.status, done.out, words in line, url in line) == (1, "", True, True), line


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("a\nb", "http://127.0.0.1:9"),
        ("ключ", "http://127.0.0.1:9"),
        (OPERATOR, "http://h:0"),
        (OPERATOR, "http://xn--a"),
        (OPERATOR, "http://name:word@h"),
    ],
)
def test_a_key_or_a_url_that_is_none_is_told_in_one_line(key: str, url: str, cli: Cli) -> None:
    done = cli.with_settings(WHENFINAL_API_KEY=key, WHENFINAL_URL=url).run("providers", "list")
    (line,) = done.err.splitlines()
    assert (done.status, "WHENFINAL_" in line, OPERATOR in line) == (2, True, False)
    assert cli.files() == set()

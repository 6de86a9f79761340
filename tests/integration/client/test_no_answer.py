"""Why a service gives no answer is told in words, by both clients, whatever is at its address."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from submitter.client.client import Client
from submitter.client.sync_client import SyncClient
from submitter.errors import ReceiverUnreachable
from tests.support.certificates import write_certificate
from tests.support.raw_server import Peer, serving

KEY = "k" * 40


async def _words(url: str, timeout_s: float = 30) -> str:
    async with Client(url, KEY, timeout_s=timeout_s) as client:
        with pytest.raises(ReceiverUnreachable) as raised:
            await client.tasks.find("x")
    return str(raised.value)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submitter.client.conversation.RETRY_PAUSES_S", ())


async def test_an_address_that_refuses_and_a_name_that_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert await _words(free) == "no answer: connection refused"
    with SyncClient(free, KEY) as client, pytest.raises(ReceiverUnreachable, match=r"^no answer: connection refused$"):
        client.tasks.find("x")
    assert "ame" in await _words("http://no-such-host.invalid")  # in the words of the system


@asynccontextmanager
async def _greeting(*words: bytes) -> AsyncIterator[str]:
    """The address of a server that speaks first, and closes when it has heard anything."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(words))
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("words", [b"", b"SSH-2.0-OpenSSH_9.7\r\n"], ids=["nothing", "SSH"])
async def test_servers_that_close_or_speak_another_protocol(words: bytes) -> None:
    async with _greeting(words) as address:
        assert await _words(f"http://{address}") == (
            "no answer: the connection ended before the answer, or it is no HTTP"
        )
        assert (await _words(f"https://{address}")).startswith("no answer: no TLS connection: ")


async def test_a_server_that_is_silent() -> None:
    async def silent(peer: Peer, _: int) -> None:
        await peer.gone.wait()

    async with serving(silent) as server:
        assert await _words(server.url, timeout_s=0.2) == "no answer: it took too long"


async def test_a_certificate_that_nobody_has_signed(tmp_path: Path) -> None:
    write_certificate(tmp_path, "localhost", ["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await _words(f"https://localhost:{port}")).startswith("no answer: its certificate is not valid: self")

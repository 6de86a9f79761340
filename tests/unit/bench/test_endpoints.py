"""The endpoints of the bench answer each request once, in whatever pieces it comes."""

from unittest.mock import Mock

import pytest

from tests.bench.endpoints import OK, Endpoint


def _post(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _answers(sent: bytes, size: int) -> tuple[bytes, list[bytes]]:
    written: list[bytes] = []
    bodies: list[bytes] = []
    endpoint = Endpoint(bodies.append)
    endpoint.connection_made(Mock(write=written.append))
    for at in range(0, len(sent), size):
        endpoint.data_received(sent[at : at + size])
    return b"".join(written), bodies


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_each_request_is_answered_once(size: int) -> None:
    sent = _post("/good/1", b"{}") + _post("/good/2", b"") + b"GET /good/3 HTTP/1.1\r\nHost: a\r\n\r\n"
    assert _answers(sent, size) == (OK * 3, [b"{}", b"", b""])


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_an_endpoint_that_hangs_says_nothing(size: int) -> None:
    assert _answers(_post("/good/1", b"{}") + _post("/hung/0", b"{}") + _post("/good/1", b"{}"), size) == (OK, [b"{}"])

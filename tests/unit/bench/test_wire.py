"""The statements on a wire to Postgres are counted, in whatever pieces they come."""

import pytest

from tests.bench.wire import executions


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


#: A start without a type, then a pipeline of two statements and an end.
SENT = (
    (len(b"user\0") + 4).to_bytes(4, "big")
    + b"user\0"
    + b"".join(_message(kind, b"E" * 9) for kind in (b"P", b"B", b"E", b"B", b"E", b"S"))
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_each_statement_is_counted_once(size: int) -> None:
    counted = executions()
    next(counted)
    assert sum(counted.send(SENT[at : at + size]) for at in range(0, len(SENT), size)) == 2

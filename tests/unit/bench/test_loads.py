"""The load that calls, and how it is spread over processes."""

import json

import pytest

from receiver.callbacks.model import ForgedToken, read_callback_token
from submitter.errors import BadSignature
from submitter.http.messages import Callback
from submitter.providers import hiapi_signature
from submitter.providers.contract import Account
from tests.bench.callers import split
from tests.bench.calling import Kind, Load, Signer, _is_whole, load_of, name_of
from tests.bench.processes import HIAPI_SECRET, KEY

SIGNER = Signer(key=KEY, secret=HIAPI_SECRET)
ACCOUNT = Account(
    name="hiapi", adapter="hiapi", base_url="https://api.example", api_key="a-key", webhook_secret=HIAPI_SECRET
)


def _sent(kind: Kind) -> tuple[str, Callback]:
    """The token of a request, and the callback that arrives."""
    head, _, body = SIGNER.request_of(7, kind).decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = tuple((name.lower(), value) for name, _, value in (field.partition(": ") for field in fields))
    assert dict(headers)["content-length"] == str(len(body))
    return line.split(" ")[1].rpartition("/")[2], Callback(headers=headers, body=body.encode())


def _verify(callback: Callback) -> bool:
    return hiapi_signature.verify(callback, ACCOUNT, int(callback.header("x-hiapi-timestamp") or "") * 1000)


def _read(token: str) -> str | None:
    return read_callback_token([KEY], token, now_s=0, max_age_s=10**10).task_id


def test_a_good_callback_has_a_token_of_its_task_and_a_right_signature() -> None:
    token, callback = _sent(Kind.GOOD)
    assert _read(token) == name_of(7)
    assert _verify(callback)
    assert json.loads(callback.body)["status"] == "success"


def test_a_forged_token_is_none_of_ours() -> None:
    token, callback = _sent(Kind.FORGED_TOKEN)
    with pytest.raises(ForgedToken):
        _read(token)
    with pytest.raises(BadSignature):
        _verify(callback)


def test_a_forged_signature_comes_under_a_right_token() -> None:
    token, callback = _sent(Kind.FORGED_SIGNATURE)
    assert _read(token) == name_of(7)
    with pytest.raises(BadSignature):
        _verify(callback)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("connections", [1, 3, 64])
@pytest.mark.parametrize("tasks", [1, 5, 1000])
def test_each_task_of_a_load_is_in_one_part_and_no_part_is_without_connection(
    processes: int, connections: int, tasks: int
) -> None:
    load = Load(ports=[1, 2], first=10, tasks=tasks, times=3, connections=connections)
    parts = split(load, processes)
    assert [number for part in parts for number in range(part.first, part.first + part.tasks)] == [
        *range(10, 10 + tasks)
    ]
    assert sum(part.connections for part in parts) == connections
    assert all(part.connections == len(part.ports) >= 1 and part.times == 3 for part in parts)
    used = [port for part in parts for port in part.ports]
    assert abs(used.count(1) - used.count(2)) <= 1


def test_a_load_survives_the_way_to_its_process() -> None:
    load = Load(ports=[1], first=0, tasks=1, connections=1, kind=Kind.FORGED_TOKEN)
    values = json.loads(json.dumps({name: getattr(load, name) for name in Load.__slots__}))
    assert load_of(values) == load


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nx: y\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", False),
        (b"HTTP/1.1 401 Unauth", False),
    ],
)
def test_an_answer_is_whole_when_its_body_is(answer: bytes, whole: bool) -> None:
    assert _is_whole(answer) is whole

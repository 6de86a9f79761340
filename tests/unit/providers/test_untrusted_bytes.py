"""Whatever a provider sends, an adapter answers with an outcome value; callbacks raise CallbackError at most."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submitter import model
from submitter.errors import CallbackError
from submitter.http.messages import Callback, HttpReply
from submitter.model import Observation, ProviderTaskId
from submitter.providers.json_reader import http_url
from submitter.providers.registry import (
    ADAPTERS,
    ANSWERS_CHALLENGES,
    CANCELS_TASKS,
    FETCHES_RESULTS,
    FINDS_BY_OWN_ID,
    LISTS_TASKS,
    VERIFIES_BY_KEYS,
)
from tests.unit.providers import recorded
from tests.unit.providers.statuses import SUCCEEDED, document

SUBMIT_OUTCOMES = (model.Receipt, model.Refused, model.Uncertain)
STATUS_OUTCOMES = (model.Observation, model.NotFound, model.Throttled, model.Denied, model.Unavailable)
CANCEL_OUTCOMES = (model.CancelAccepted, model.CanceledAtOnce, model.CancelRefused, *STATUS_OUTCOMES[1:])

#: Words that the adapters search for, so that made-up documents get past the first checks.
KEYS = [
    "code",
    "message",
    "error",
    "data",
    "output",
    "status",
    "task_id",
    "taskId",
    "id",
    "task_status",
    "url",
    "video_url",
    "result",
    "result_url",
    "resources",
    "type",
    "results",
    "metadata",
    "progress",
    "fail_reason",
    "expireAt",
    "completed",
    "created",
    "end_time",
    "finish_time",
    "result_expires_at",
    "tasks",
    "source",
    "task",
    "content",
    "video",
    "videos",
    "task_result",
    "outputs",
    "task_info",
    "external_task_id",
    "external_id",
    "state",
    "resultJson",
    "resultUrls",
    "failMsg",
    "error_message",
    "transcription_url",
    "request_id",
    "payload",
    "detail",
    "error_type",
    "msg",
    "loc",
    "title",
    "results",
    "next",
    "keys",
    "challenge",
    "base_resp",
    "status_code",
    "file_id",
    "file",
    "download_url",
]
WORDS = [
    "success",
    "SUCCEEDED",
    "SUCCESS",
    "fail",
    "FAILURE",
    "UNKNOWN",
    "t-1",
    "https://a.example/v.mp4",
    "/v1/x",
    "acs.dashscope",
    "done",
    "submitted",
    "tsk_1-image2video",
    '{"resultUrls":["https://a.example/v.mp4"]}',
    "cancelled",
    " https://a.example/my v.mp4\n",
    "https://a b.example/v.mp4",
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**25, -1, 0, 200, 400, 429, 500, 1_790_000_000, 10**400])
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([*WORDS, "\ud800", "\0", "x" * 300, "9999-12-31T23:59:59-23:59", "0001-01-01 00:00:00+23:59"])
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
statuses = st.sampled_from(
    [100, 200, 201, 204, 301, 307, 400, 401, 402, 403, 404, 408, 409, 422, 429, 499, 500, 503, 504]
)
header_values = st.text(max_size=10) | st.sampled_from(
    ["5", "99999999999", "-1", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"]
)
PAYLOADS = [(adapter, name) for adapter in ADAPTERS for name in recorded.names(adapter)]


def _check_everything(adapter: str, status: int, body: bytes, retry_after: str = "") -> None:
    module, account = ADAPTERS[adapter], recorded.account(adapter)
    reply = HttpReply(status=status, headers=(("retry-after", retry_after),), body=body)
    receipt, seen = module.parse_receipt(reply), module.parse_status(ProviderTaskId("t-1"), reply, account)
    assert isinstance(receipt, SUBMIT_OUTCOMES)
    assert isinstance(seen, STATUS_OUTCOMES)
    _check_storable(receipt)
    _check_storable(seen)
    if adapter in LISTS_TASKS:
        _check_storable(LISTS_TASKS[adapter].parse_list(reply))
    if adapter in FINDS_BY_OWN_ID:
        _check_storable(FINDS_BY_OWN_ID[adapter].parse_lookup(reply))
    if adapter in CANCELS_TASKS:
        assert isinstance(CANCELS_TASKS[adapter].parse_cancel(reply), CANCEL_OUTCOMES)
    if adapter in FETCHES_RESULTS:
        _check_second_call(adapter, reply)
    _check_callback(adapter, body)


def _check_second_call(adapter: str, reply: HttpReply) -> None:
    """The reply as that of the status query, and as that of the second call."""
    fetching, account, task_id = FETCHES_RESULTS[adapter], recorded.account(adapter), ProviderTaskId("t-1")
    fetching.build_result(task_id, reply, account)
    ended = HttpReply(status=200, body=json.dumps(document(adapter, SUCCEEDED[adapter])).encode())
    for status, result in ((reply, reply), (ended, reply), (reply, ended)):
        seen = fetching.parse_result(task_id, status, result, account)
        assert isinstance(seen, STATUS_OUTCOMES)
        _check_storable(seen)


def _check_callback(adapter: str, body: bytes) -> None:
    callback = Callback(headers=(("x-hiapi-timestamp", "1"), ("x-hiapi-signature", "é")), body=body)
    if adapter in ANSWERS_CHALLENGES:
        answer = ANSWERS_CHALLENGES[adapter].challenge_answer(callback)
        assert answer is None or len(json.dumps(dict(answer))) < 10_000
    if adapter in VERIFIES_BY_KEYS:
        with pytest.raises(CallbackError):
            VERIFIES_BY_KEYS[adapter].verify_callback(callback, recorded.account(adapter), 0, body)
    try:
        observation = ADAPTERS[adapter].parse_callback(callback, recorded.account(adapter), 0)
    except CallbackError:
        return
    _check_storable(observation)


def _texts(outcome: object) -> Iterator[str]:
    """Every text in an outcome, however deep."""
    if isinstance(outcome, str):
        yield outcome
    elif isinstance(outcome, tuple):
        yield from (text for item in outcome for text in _texts(item))
    elif is_dataclass(outcome):
        yield from (text for field in fields(outcome) for text in _texts(getattr(outcome, field.name)))


def _check_storable(outcome: object) -> None:
    """No lone surrogate and no NUL reaches a database; times fit and ids are short."""
    assert all("\0" not in text.encode().decode() for text in _texts(outcome))
    if isinstance(outcome, Observation):
        times = (outcome.completed_at_ms, *(output.expires_at_ms for output in outcome.outputs))
        assert all(at_ms is None or 0 < at_ms < 2**43 for at_ms in times)
        assert len(outcome.raw) <= 65_536
        assert all(http_url(output.url) == output.url for output in outcome.outputs)
    if isinstance(outcome, model.Unavailable | model.Denied):
        assert len(outcome.raw) <= 65_536
        assert len(getattr(outcome, "reason", "")) <= 5_000
    if isinstance(outcome, model.Receipt | model.Uncertain) and outcome.provider_task_id is not None:
        assert 0 < len(outcome.provider_task_id.encode()) <= 2_000
        assert outcome.provider_task_id.isprintable()
    if isinstance(outcome, model.Refused | model.Uncertain):
        assert len(outcome.raw) <= 65_536


@pytest.mark.parametrize("adapter", ADAPTERS)
@given(status=statuses, body=st.binary(max_size=200), retry_after=header_values)
@settings(max_examples=60, deadline=None)
def test_no_bytes_make_an_adapter_raise(adapter: str, status: int, body: bytes, retry_after: str) -> None:
    _check_everything(adapter, status, body, retry_after)


@pytest.mark.parametrize("adapter", ADAPTERS)
@given(status=statuses, body=documents)
@settings(max_examples=150, deadline=None)
def test_no_document_makes_an_adapter_raise(adapter: str, status: int, body: Any) -> None:
    _check_everything(adapter, status, json.dumps(body).encode())


@given(payload=st.sampled_from(PAYLOADS), changed=scalars, data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_recorded_payload_with_one_value_changed_makes_an_adapter_raise(
    payload: tuple[str, str], changed: Any, data: st.DataObject
) -> None:
    whole = recorded.document(*payload)
    spots = [*_spots(whole)] or [(whole, "code")]
    holder, key = data.draw(st.sampled_from(spots))
    holder[key] = changed
    _check_everything(payload[0], data.draw(statuses), json.dumps(whole).encode())


@given(payload=st.sampled_from(PAYLOADS), junk=st.binary(min_size=1, max_size=3), data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_recorded_payload_with_a_few_bytes_more_makes_an_adapter_raise(
    payload: tuple[str, str], junk: bytes, data: st.DataObject
) -> None:
    body = recorded.reply(*payload).body
    place = data.draw(st.integers(0, len(body)))
    _check_everything(payload[0], data.draw(statuses), body[:place] + junk + body[place:])


@given(payload=st.sampled_from(PAYLOADS), data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_recorded_payload_that_is_cut_or_damaged_makes_an_adapter_raise(
    payload: tuple[str, str], data: st.DataObject
) -> None:
    body = recorded.reply(*payload).body
    start, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 6))
    damaged = body[:start] + data.draw(st.binary(max_size=4)) + body[start + length :]
    cut = damaged[: data.draw(st.integers(0, len(damaged)))]
    for raw in (damaged, cut):
        _check_everything(payload[0], data.draw(statuses), raw)


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document that holds a value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [spot for key in keys for spot in _spots(value[key])]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"data":' * 100_000,
        b'{"code":' + b"9" * 5_000 + b"}",
        b'{"data":{"status":"success","created":1e999,"completed":NaN}}',
        b"\xef\xbb\xbf{}",
        '{"code":0}'.encode("utf-16"),
        b'{"task_id":"\\ud800","data":{"task_id":"\\udfff\\u0000"}}',
        b"<html>" + b"x" * 1_000_000,
    ],
    ids=["deep list", "deep object", "huge number", "not numbers", "byte order mark", "utf-16", "surrogates", "long"],
)
def test_a_hostile_body_is_one_of_the_outcomes(adapter: str, body: bytes) -> None:
    for status in (200, 400, 429, 503):
        _check_everything(adapter, status, body)


@pytest.mark.parametrize(
    "provider_task_id", ["", " ", "..", "x" * 1_001, "\U0001f3ac" * 501, "a\ufffdb", "a\nb", "a\0b", "\ud800"]
)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_id_that_cannot_be_polled_is_no_receipt(adapter: str, provider_task_id: str) -> None:
    body = {"taskId": provider_task_id, "task_id": provider_task_id}
    reply = HttpReply(
        status=200, body=json.dumps(body | {"id": provider_task_id, "data": body, "output": body}).encode()
    )
    assert isinstance(ADAPTERS[adapter].parse_receipt(reply), model.Uncertain)

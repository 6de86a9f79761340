"""What every adapter makes of odd replies to a poll: whose they are, what they say, and what is kept of them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from submitter.errors import StaleCallback
from submitter.http.messages import Callback, HttpReply
from submitter.model import Denied, NotFound, ProviderTaskId, TaskError, TaskState, Throttled, Unavailable
from submitter.providers import hiapi
from submitter.providers.hiapi_signature import signature
from submitter.providers.json_reader import RAW_CAP_BYTES
from submitter.providers.registry import ADAPTERS
from tests.unit.providers import recorded
from tests.unit.providers.statuses import (
    FAILED,
    FORMS,
    LINK,
    RESULTS,
    RUNNING,
    SUCCEEDED,
    TASK_ID,
    document,
    read,
    seen,
)

every_adapter = pytest.mark.parametrize("adapter", ADAPTERS)
every_adapter_with_words = pytest.mark.parametrize("adapter", [name for name in ADAPTERS if FORMS[name].has_words])
NO_REASON = "the provider gave no reason"


# Words


@every_adapter_with_words
@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("besteld", TaskState.SUBMITTED),
        ("bezig", TaskState.RUNNING),
        ("klaar", TaskState.SUCCEEDED),
        ("MISLUKT", TaskState.FAILED),
        ("Gestopt", TaskState.CANCELED),
    ],
)
def test_an_account_can_be_taught_words_in_any_case(adapter: str, word: str, state: TaskState) -> None:
    taught = seen(adapter, document(adapter, word, RESULTS[adapter]), state_words={word.lower(): state})
    assert (taught.state, taught.is_documented_state, taught.raw_state) == (state, True, word)
    assert bool(taught.outputs) == (state is TaskState.SUCCEEDED)
    assert (taught.error is not None) == (state is TaskState.FAILED)


@every_adapter_with_words
def test_a_taught_word_goes_before_the_documented_meaning(adapter: str) -> None:
    word = SUCCEEDED[adapter]
    taught = seen(adapter, document(adapter, word, RESULTS[adapter]), state_words={word.lower(): TaskState.RUNNING})
    assert (taught.state, taught.outputs) == (TaskState.RUNNING, ())


@every_adapter_with_words
def test_an_unknown_word_is_running_and_never_an_end(adapter: str) -> None:
    found = seen(adapter, document(adapter, "levitating", RESULTS[adapter]))
    assert (found.state, found.is_documented_state, found.raw_state) == (TaskState.RUNNING, False, "levitating")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("succeeded", TaskState.SUCCEEDED),
        ("failed", TaskState.FAILED),
        ("timeout", TaskState.FAILED),
        ("cancelled", TaskState.CANCELED),
        ("Canceled", TaskState.CANCELED),
    ],
)
def test_words_of_hiapis_blogs_are_ends_without_a_document(word: str, state: TaskState) -> None:
    found = seen("hiapi", document("hiapi", word, RESULTS["hiapi"]))
    assert (found.state, found.is_documented_state) == (state, False)


def test_dashscopes_cancelled_may_have_two_ls() -> None:
    found = seen("dashscope", document("dashscope", "CANCELLED"))
    assert (found.state, found.is_documented_state) == (TaskState.CANCELED, False)


def test_an_operator_may_say_what_unknown_means_at_dashscope() -> None:
    body = document("dashscope", "UNKNOWN")
    assert isinstance(read("dashscope", body), NotFound)
    assert seen("dashscope", body, state_words={"unknown": TaskState.FAILED}).state is TaskState.FAILED


def test_taught_words_are_read_in_callbacks_too() -> None:
    words = {"klaar": TaskState.SUCCEEDED}
    body = json.dumps({"taskId": TASK_ID, "status": "Klaar", **RESULTS["hiapi"]}).encode()
    called = hiapi.parse_callback(Callback(body=body), recorded.account("hiapi", state_words=words), 0)
    assert (called.state, called.is_documented_state, called.without_result) == (TaskState.SUCCEEDED, True, False)
    event: dict[str, Any] = {"source": "acs.dashscope", "type": "dashscope:System:AsyncTaskFinish"}
    event["data"] = {"task_id": TASK_ID, "task_status": "KLAAR"}
    account = recorded.account("dashscope", state_words=words)
    reported = ADAPTERS["dashscope"].parse_callback(Callback(body=json.dumps(event).encode()), account, 0)
    assert (reported.state, reported.is_documented_state) == (TaskState.SUCCEEDED, True)


# Whose reply it is


@every_adapter
@pytest.mark.parametrize(
    ("asked", "named"),
    [("x" * 1000, "x" * 1000), ("t-1 ", "t-1"), ("t-1", " t-1\n"), ("17", 17), ("a/b?c", "a/b?c")],
    ids=["1,000 characters", "asked with a blank", "named with blanks", "a number", "no path"],
)
def test_a_reply_names_the_task_however_its_id_looks(adapter: str, asked: str, named: Any) -> None:
    found = seen(adapter, document(adapter, RUNNING[adapter], named=named), task_id=asked)
    assert (found.state, found.key.provider_task_id) == (TaskState.RUNNING, asked)


@every_adapter
@pytest.mark.parametrize("named", ["t-2", "t-", "t-11", "T-1", "x" * 1000])
def test_another_tasks_reply_ends_nothing_and_says_whose_it_is(adapter: str, named: str) -> None:
    outcome = read(adapter, document(adapter, SUCCEEDED[adapter], RESULTS[adapter], named=named))
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == f"the reply names task {named[:200]!r}, which is not the requested one"
    assert outcome.raw


@every_adapter
@pytest.mark.parametrize("named", [None, True, [], {}, 1.5, ""])
def test_a_reply_that_names_no_task_and_tells_nothing_of_one_is_unusable(adapter: str, named: Any) -> None:
    outcome = read(adapter, document(adapter, SUCCEEDED[adapter], named=named))
    assert isinstance(outcome, Unavailable)
    assert "id" in outcome.reason.lower()


@every_adapter
@pytest.mark.parametrize("top", [{"code": 201}, {"code": 200.0}, {"code": "OK"}, {"code": "Success"}, {"error": {}}])
def test_a_reply_that_names_the_task_and_its_state_counts_whatever_its_code(adapter: str, top: dict[str, Any]) -> None:
    found = seen(adapter, document(adapter, SUCCEEDED[adapter], RESULTS[adapter], top))
    assert (found.state, [each.url for each in found.outputs]) == (TaskState.SUCCEEDED, [LINK])


@every_adapter
@pytest.mark.parametrize("status", [300, 400, 403, 404, 429, 500, 503])
def test_no_reply_but_a_2xx_is_a_statement(adapter: str, status: int) -> None:
    outcome = read(adapter, document(adapter, FAILED[adapter]), status=status)
    assert isinstance(outcome, Unavailable | Denied | Throttled | NotFound)


# Why a task failed


@every_adapter_with_words
@pytest.mark.parametrize(
    ("inner", "top", "error"),
    [
        ({"error": {"code": "E7", "message": "bad picture"}}, {}, ("E7", "bad picture")),
        ({"error": {"type": "E7", "message": "bad picture"}}, {}, ("E7", "bad picture")),
        ({"error": "bad picture"}, {}, ("failed", "bad picture")),
        ({"code": "E7", "message": "bad picture"}, {}, ("E7", "bad picture")),
        ({"fail_reason": "bad picture"}, {}, ("failed", "bad picture")),
        ({"error_code": "E7", "error_message": "bad picture"}, {}, ("E7", "bad picture")),
        ({"task_status_msg": "bad picture"}, {}, ("failed", "bad picture")),
        ({}, {"code": "E7", "message": "bad picture"}, ("E7", "bad picture")),
        ({}, {"code": 500, "message": "bad picture"}, ("500", "bad picture")),
        ({}, {"message": "bad picture"}, ("failed", "bad picture")),
        ({}, {"error": {"code": "E7", "message": "bad picture"}}, ("E7", "bad picture")),
        ({}, {"error": "bad picture"}, ("failed", "bad picture")),
        ({"error": {"code": "E7"}}, {"message": "bad picture"}, ("E7", "bad picture")),
        ({"error": None, "message": ""}, {}, ("failed", NO_REASON)),
        ({"message": "Success"}, {"message": "success"}, ("failed", NO_REASON)),
        ({"error": [], "message": ["x"]}, {}, ("failed", NO_REASON)),
    ],
)
def test_a_failure_is_believed_with_its_reason_wherever_that_stands(
    adapter: str, inner: dict[str, Any], top: dict[str, Any], error: tuple[str, str]
) -> None:
    found = seen(adapter, document(adapter, FAILED[adapter], inner, top))
    assert found.state is TaskState.FAILED
    assert found.error == TaskError(code=error[0], message=error[1])


@every_adapter_with_words
@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ({"error": {"code": "E7", "message": "by the user"}}, TaskError(code="E7", message="by the user")),
        ({"message": "by the user"}, TaskError(code="canceled", message="by the user")),
        ({"error": {"code": "E7"}}, None),
        ({}, None),
    ],
)
def test_a_cancellation_has_a_reason_only_where_one_is_stated(
    adapter: str, inner: dict[str, Any], error: TaskError | None
) -> None:
    found = seen(adapter, document(adapter, "cancelled", inner))
    assert (found.state, found.error) == (TaskState.CANCELED, error)


@every_adapter
def test_words_of_a_failure_beside_a_task_that_runs_are_no_reason(adapter: str) -> None:
    assert seen(adapter, document(adapter, RUNNING[adapter], {"message": "warming up", "error": "slow"})).error is None


def test_dashscopes_reason_may_stand_with_the_file_that_failed() -> None:
    inner = {"results": [{"subtask_status": "FAILED", "code": "InvalidFile", "message": "cannot be decoded"}]}
    found = seen("dashscope", document("dashscope", "FAILED", inner))
    assert found.error == TaskError(code="InvalidFile", message="cannot be decoded")


# Bytes


@every_adapter
@pytest.mark.parametrize("bad", [b"\xe9\xa9", b"\xff", b"\xed\xa0\x80", b"\x00", b"\n", b"\x1b"])
def test_a_bad_byte_in_a_text_costs_nothing_but_itself(adapter: str, bad: bytes) -> None:
    body = json.dumps(document(adapter, SUCCEEDED[adapter], {"prompt": "BAD", **RESULTS[adapter]})).encode()
    found = seen(adapter, body.replace(b"BAD", b"a" + bad + b"b"))
    assert (found.state, [each.url for each in found.outputs]) == (TaskState.SUCCEEDED, [LINK])


@every_adapter
@pytest.mark.parametrize("bad", [b"\xff", b"\xe9\xa9"])
def test_a_bad_byte_between_two_members_costs_nothing(adapter: str, bad: bytes) -> None:
    body = json.dumps(document(adapter, RUNNING[adapter])).encode()
    assert seen(adapter, body.replace(b", ", b"," + bad + b" ", 1) + bad).state is TaskState.RUNNING


def test_a_signed_callback_with_a_bad_byte_is_read_and_its_signature_is_that_of_the_bytes() -> None:
    body = json.dumps({"taskId": TASK_ID, "status": "success", "prompt": "BAD", **RESULTS["hiapi"]}).encode()
    body = body.replace(b"BAD", b"\xe9\xa9")
    proof = signature("secret-1", "1790000000", body).decode()
    headers = (("x-hiapi-timestamp", "1790000000"), ("x-hiapi-signature", proof))
    account, callback = recorded.account("hiapi", webhook_secret="secret-1"), Callback(headers=headers, body=body)
    called = hiapi.parse_callback(callback, account, 1_790_000_000_000)
    assert (called.state, called.signature_verified, len(called.outputs)) == (TaskState.SUCCEEDED, True, 1)
    with pytest.raises(StaleCallback):
        hiapi.parse_callback(replace(callback), account, 1_790_000_301_000)


# What is kept of an answer that says nothing


@every_adapter
@pytest.mark.parametrize("status", [200, 302, 400, 500, 503])
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[]", b'{"data":nu', b'{"a":1}', b'{"status":"ok"}'])
def test_an_unusable_answer_is_kept_with_a_reason(adapter: str, status: int, body: bytes) -> None:
    outcome = read(adapter, body, status=status)
    assert isinstance(outcome, Unavailable)
    assert outcome.raw == body
    assert outcome.reason


@every_adapter
def test_what_is_kept_is_capped(adapter: str) -> None:
    outcome = read(adapter, b"<html>" + b"x" * 1_000_000, status=502)
    assert isinstance(outcome, Unavailable)
    assert len(outcome.raw) == RAW_CAP_BYTES


@every_adapter
def test_a_wait_that_an_unusable_answer_asks_for_is_kept(adapter: str) -> None:
    reply = HttpReply(status=200, headers=(("retry-after", "9"),), body=b'{"status":"ok"}')
    outcome = ADAPTERS[adapter].parse_status(ProviderTaskId(TASK_ID), reply, recorded.account(adapter))
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 9


# One task's answer and the account's


@every_adapter
def test_a_403_is_about_one_task_and_a_401_about_the_account(adapter: str) -> None:
    body = {"code": 403, "message": "this content is not for you", "error": {"message": "this content is not for you"}}
    forbidden, refused = read(adapter, body, status=403), read(adapter, {**body, "code": 401}, status=401)
    assert isinstance(forbidden, Denied)
    assert isinstance(refused, Denied)
    assert (forbidden.is_about_account, refused.is_about_account) == (False, True)
    assert (forbidden.message, json.loads(forbidden.raw)) == ("this content is not for you", body)


@pytest.mark.parametrize(
    ("adapter", "body", "is_about_account"),
    [
        ("dashscope", {"code": "InvalidApiKey", "message": "no"}, True),
        ("newapi", {"error": {"code": "invalid_api_key", "message": "no"}}, True),
        ("tokenbay", {"error": {"type": "authentication_error", "message": "no"}}, True),
        ("newapi", {"error": {"code": "access_denied", "message": "no"}}, False),
        ("tokenbay", {"error": {"code": "permission_error", "message": "no"}}, False),
        ("modellix", {"code": 401, "message": "Unauthorized: no"}, True),
        ("modellix", {"code": 403, "message": "Forbidden: no"}, False),
        ("hiapi", {"code": 403, "message": "no", "data": None}, False),
    ],
)
def test_a_denial_within_200_is_about_the_account_only_where_it_names_the_key(
    adapter: str, body: dict[str, Any], is_about_account: bool
) -> None:
    outcome = read(adapter, body)
    assert isinstance(outcome, Denied)
    assert outcome.is_about_account is is_about_account


@pytest.mark.parametrize(
    ("adapter", "body"),
    [
        ("hiapi", {"error": {"type": "hiapi_error", "code": "rate_limit_exceeded", "message": "slow"}}),
        ("dashscope", {"code": "Throttling.RateQuota", "message": "slow"}),
        ("modellix", {"code": 429, "message": "Too Many Requests: slow"}),
        ("newapi", {"error": {"code": "token_concurrency_limit_reached", "message": "slow"}}),
    ],
)
def test_a_throttle_within_200_is_one(adapter: str, body: dict[str, Any]) -> None:
    assert isinstance(read(adapter, body), Throttled)

"""Every recorded answer to a submit at kie.ai, with what it must come to."""

import json

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import kie
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("task_example_0001")


def _refused(refusal: Refusal, status: int, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=str(status), message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=TASK_ID),
    "receipt_without_id": Uncertain(reason="accepted without a readable data.taskId", was_accepted=True),
    "refused_401": _refused(Refusal.DENIED, 401, "access denied"),
    "refused_402": _refused(Refusal.QUOTA, 402, "credits insufficient"),
    "refused_404": _refused(Refusal.INVALID, 404, "not found"),
    "refused_422": _refused(Refusal.INVALID, 422, "aspect_ratio is not within the range"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "the call frequency is too high", 10.0),
    "refused_433": _refused(Refusal.QUOTA, 433, "the sub-key usage exceeds its limit"),
    "refused_455": Uncertain(reason="HTTP 455, 455: the service is under maintenance"),
    "refused_500": Uncertain(reason="HTTP 500, 500: server error"),
    "refused_501": Uncertain(reason="HTTP 501, 501: generation failed"),
    "refused_505": _refused(Refusal.INVALID, 505, "the feature is disabled"),
    "refused_http_402": _refused(Refusal.QUOTA, 402, "credits insufficient"),
    "refused_http_403_page": Refused(
        refusal=Refusal.DENIED,
        error=TaskError(code="http_403", message="the reply holds no readable error"),
        status=403,
    ),
}


@pytest.mark.parametrize("name", recorded.names("kie", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert kie.parse_receipt(recorded.reply("kie", name)) == EXPECTED[name]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 505, 455, 433])
def test_a_code_of_the_body_is_no_refusal_under_another_status(status: int) -> None:
    body = recorded.reply("kie", "refused_402").body
    assert isinstance(kie.parse_receipt(HttpReply(status=status, body=body)), Uncertain)


@pytest.mark.parametrize("code", [0, 201, 400, 403, 451, 503, "422 ", "success", None])
def test_a_code_that_no_document_has_as_a_refusal_leaves_the_submit_uncertain(code: object) -> None:
    body = json.dumps({"code": code, "msg": "no", "data": None}).encode()
    outcome = kie.parse_receipt(HttpReply(status=200, body=body))
    assert isinstance(outcome, Uncertain) or code == "422 "


def test_a_wait_that_is_stated_goes_before_our_own() -> None:
    reply = recorded.reply("kie", "refused_429")
    outcome = kie.parse_receipt(HttpReply(status=200, headers=(("retry-after", "3"),), body=reply.body))
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_s == 3


def test_the_other_name_of_the_id_is_taken_too() -> None:
    body = b'{"code":200,"msg":"success","data":{"task_id":"task_example_0001"}}'
    assert kie.parse_receipt(HttpReply(status=200, body=body)) == Receipt(provider_task_id=TASK_ID)

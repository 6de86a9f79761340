"""Every recorded answer to a submit at fal, with what it must come to."""

import json

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import fal
from tests.unit.providers import recorded

TASK_ID = ProviderTaskId("00000000-0000-4000-8000-00000000f001")


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


QUEUED = Receipt(provider_task_id=TASK_ID, raw_state="IN_QUEUE")
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_queued": QUEUED,
    "receipt_response_suffix": QUEUED,
    "receipt_with_webhook": Receipt(provider_task_id=TASK_ID),
    "receipt_without_id": Uncertain(reason="accepted without a readable request_id", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 200, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "receipt_redirect": Uncertain(reason="HTTP 307, http_307: the reply holds no readable error"),
    "refused_400": _refused(Refusal.INVALID, 400, "bad_request", "the start timeout is not a number"),
    "refused_401": _refused(Refusal.DENIED, 401, "failed", "no such key"),
    "refused_403": _refused(Refusal.DENIED, 403, "failed", "no access to this app"),
    "refused_403_locked": _refused(Refusal.QUOTA, 403, "failed", "User is locked. Reason: exhausted balance."),
    "refused_404": _refused(Refusal.INVALID, 404, "failed", "no such application"),
    "refused_422": _refused(Refusal.INVALID, 422, "less_than_equal", "body.duration: must be at most 15"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "concurrent_requests_limit", "the queue is too long", 7.0),
    "refused_499": Uncertain(reason="HTTP 499, client_disconnected: the client went away"),
    "refused_500": Uncertain(reason="HTTP 500, internal_error: internal"),
    "refused_503": Uncertain(reason="HTTP 503, runner_scheduling_failure: no runner"),
    "refused_504": Uncertain(reason="HTTP 504, request_timeout: Request timed out"),
}


@pytest.mark.parametrize("name", recorded.names("fal", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert fal.parse_receipt(recorded.reply("fal", name)) == EXPECTED[name]


@pytest.mark.parametrize("status", [200, 404])
def test_a_request_id_beside_nothing_but_an_error_names_an_http_request(status: int) -> None:
    body = json.dumps({"request_id": "r-1", "message": "no healthy upstream"}).encode()
    outcome = fal.parse_receipt(HttpReply(status=status, body=body))
    assert isinstance(outcome, Refused if status == 404 else Uncertain)
    assert not isinstance(outcome, Uncertain) or outcome.provider_task_id is None


def test_a_request_id_alone_is_a_receipt() -> None:
    assert fal.parse_receipt(HttpReply(status=200, body=b'{"request_id":"r-1"}')) == Receipt(
        provider_task_id=ProviderTaskId("r-1")
    )

"""Every recorded answer to a submit at HiAPI, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import hiapi
from tests.unit.providers import recorded

TASK_ID = "tk-hiapi-01k0example0000000000000ab"


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


INVALID_400 = _refused(Refusal.INVALID, 400, "INVALID_REQUEST", "duration out of range")
AT_WORK = Uncertain(reason="HTTP 409, IDEMPOTENCY_KEY_PROCESSING: same key still running", retry_after_s=5.0)
MISMATCH = Uncertain(reason="HTTP 422, IDEMPOTENCY_KEY_MISMATCH: same key, other body")
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId(TASK_ID)),
    "receipt_of_a_tutorial": Receipt(provider_task_id=ProviderTaskId("task_01k0example0000000000000ab")),
    "receipt_replayed": Receipt(provider_task_id=ProviderTaskId(TASK_ID), replayed=True),
    "receipt_without_id": Uncertain(reason="accepted without a readable data.taskId", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 200, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "receipt_redirect": Uncertain(reason="HTTP 307, http_307: the reply holds no readable error"),
    "refused_400": INVALID_400,
    "refused_400_model": _refused(Refusal.UNAVAILABLE, 400, "MODEL_UNAVAILABLE", "model not available"),
    "refused_400_within_200": INVALID_400,
    "refused_401": _refused(Refusal.DENIED, 401, "UNAUTHORIZED", "invalid api key"),
    "refused_401_error_object": _refused(Refusal.DENIED, 401, "permission_denied", "invalid token"),
    "refused_402": _refused(Refusal.QUOTA, 402, "INSUFFICIENT_BALANCE", "balance too low"),
    "refused_403": _refused(Refusal.DENIED, 403, "FORBIDDEN", "not allowed"),
    "refused_409": AT_WORK,
    "refused_409_without_retry_after": AT_WORK,
    "refused_415": _refused(Refusal.INVALID, 415, "UNSUPPORTED_MEDIA_TYPE", "body is not JSON"),
    "refused_422": MISMATCH,
    "refused_429": _refused(Refusal.THROTTLED, 429, "RATE_LIMITED", "too many requests", 7.0),
    "refused_429_error_object": _refused(Refusal.THROTTLED, 429, "rate_limit_exceeded", "slow down"),
    "refused_500": Uncertain(reason="HTTP 500, INTERNAL: internal"),
    "refused_503": _refused(Refusal.UNAVAILABLE, 503, "SERVICE_UNAVAILABLE", "temporarily unable"),
}


@pytest.mark.parametrize("name", recorded.names("hiapi", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert hiapi.parse_receipt(recorded.reply("hiapi", name)) == EXPECTED[name]

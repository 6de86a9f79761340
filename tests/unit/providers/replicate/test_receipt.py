"""Every recorded answer to a submit at Replicate, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import replicate
from tests.unit.providers import recorded


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_starting": Receipt(provider_task_id=ProviderTaskId("abc123example0000000000000"), raw_state="starting"),
    "receipt_without_id": Uncertain(reason="accepted without a readable id", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 201, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "refused_401": _refused(Refusal.DENIED, 401, "Unauthenticated", "You did not pass an authentication token"),
    "refused_402": _refused(Refusal.QUOTA, 402, "Insufficient credit", "buy credit first, then wait some minutes"),
    "refused_404": _refused(Refusal.INVALID, 404, "Not found", "the model does not exist"),
    "refused_404_detail_alone": _refused(
        Refusal.INVALID, 404, "http_404", "The requested resource could not be found."
    ),
    "refused_422": _refused(Refusal.INVALID, 422, "Input validation failed", "- input.duration: must be at most 15"),
    "refused_429": _refused(
        Refusal.THROTTLED,
        429,
        "Too many requests",
        "Request was throttled. Your rate limit resets in ~9s.",
        9.0,
    ),
    "refused_429_retry_after": _refused(Refusal.THROTTLED, 429, "http_429", "slow down", 7.0),
    "refused_500": Uncertain(reason="HTTP 500, Internal server error: Internal server error"),
    "refused_503": Uncertain(reason="HTTP 503, http_503: try again"),
}


@pytest.mark.parametrize("name", recorded.names("replicate", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert replicate.parse_receipt(recorded.reply("replicate", name)) == EXPECTED[name]

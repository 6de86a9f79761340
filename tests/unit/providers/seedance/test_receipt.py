"""Every recorded answer to a submit at Seedance, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import seedance
from tests.unit.providers import recorded


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId("cgt-20260901100000-abcde")),
    "receipt_without_id": Uncertain(reason="accepted without a readable id", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 200, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "refused_400_parameter": _refused(Refusal.INVALID, 400, "InvalidParameter", "duration is not valid"),
    "refused_400_missing": _refused(Refusal.INVALID, 400, "MissingParameter", "content is missing"),
    "refused_400_text": _refused(Refusal.INVALID, 400, "InputTextSensitiveContentDetected", "the text is refused"),
    "refused_400_picture": _refused(
        Refusal.INVALID, 400, "InputImageSensitiveContentDetected", "the picture is refused"
    ),
    "refused_401": _refused(Refusal.DENIED, 401, "AuthenticationError", "the API key is not valid"),
    "refused_403_overdue": _refused(Refusal.QUOTA, 403, "AccountOverdueError", "the account has an overdue balance"),
    "refused_403": _refused(Refusal.DENIED, 403, "AccessDenied", "no access to the model"),
    "refused_404_endpoint": _refused(Refusal.INVALID, 404, "InvalidEndpoint.NotFound", "no such endpoint"),
    "refused_404_not_open": _refused(Refusal.DENIED, 404, "ModelNotOpen", "the model is not open"),
    "refused_429_rate": _refused(Refusal.THROTTLED, 429, "RateLimitExceeded", "too many requests", 3.0),
    "refused_429_quota": _refused(Refusal.QUOTA, 429, "QuotaExceeded", "the free quota is used up"),
    "refused_429_loading": _refused(Refusal.THROTTLED, 429, "ModelLoadingError", "the model is being loaded"),
    "refused_429_overloaded": _refused(Refusal.THROTTLED, 429, "ServerOverloaded", "try again later"),
    "refused_500": Uncertain(reason="HTTP 500, InternalServiceError: internal"),
}


@pytest.mark.parametrize("name", recorded.names("seedance", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert seedance.parse_receipt(recorded.reply("seedance", name)) == EXPECTED[name]

"""Every recorded answer to a submit at Modellix, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import modellix
from tests.unit.providers import recorded


def _refused(refusal: Refusal, status: int, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=str(status), message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


WRONG_PATH = "Not Found: no such model; the path was tried with /async and without it"
NO_MONEY = _refused(Refusal.QUOTA, 402, "Payment Required: balance")
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId("task-0001"), raw_state="pending"),
    "receipt_without_id": Uncertain(reason="accepted without a readable data.task_id", was_accepted=True),
    "refused_400": _refused(Refusal.INVALID, 400, "Bad Request: duration"),
    "refused_401": _refused(Refusal.DENIED, 401, "Unauthorized: key"),
    "refused_402": NO_MONEY,
    "refused_402_within_200": NO_MONEY,
    "refused_403": _refused(Refusal.DENIED, 403, "Forbidden: model"),
    "refused_404": _refused(Refusal.INVALID, 404, WRONG_PATH),
    "refused_409": Uncertain(reason="HTTP 409, 409: Conflict: state"),
    "refused_413": _refused(Refusal.INVALID, 413, "Payload Too Large: body"),
    "refused_422": _refused(Refusal.INVALID, 422, "Unprocessable Entity: prompt"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "Too Many Requests: team concurrency reached", 10.0),
    "refused_500": Uncertain(reason="HTTP 500, 500: Internal Server Error: oops"),
    "refused_503": Uncertain(reason="HTTP 503, 503: Service Unavailable: circuit breaker"),
}


@pytest.mark.parametrize("name", recorded.names("modellix", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert modellix.parse_receipt(recorded.reply("modellix", name)) == EXPECTED[name]

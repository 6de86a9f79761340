"""Every recorded answer to a submit at Runway, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import runway
from tests.unit.providers import recorded

CREATED = Receipt(provider_task_id=ProviderTaskId("00000000-0000-4000-8000-000000000015"))


def _refused(refusal: Refusal, status: int, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=f"http_{status}", message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": CREATED,
    "receipt_of_an_older_answer": CREATED,
    "receipt_without_id": Uncertain(reason="accepted without a readable id", was_accepted=True),
    "refused_400": _refused(Refusal.INVALID, 400, "Validation of body failed"),
    "refused_400_without_version": _refused(Refusal.INVALID, 400, "The X-Runway-Version header is required"),
    "refused_400_without_credits": _refused(Refusal.QUOTA, 400, "You do not have enough credits to run this task."),
    "refused_401": _refused(Refusal.DENIED, 401, "The API key is not valid"),
    "refused_403": _refused(Refusal.DENIED, 403, "Model variant gen4_turbo is not available."),
    "refused_404": _refused(Refusal.INVALID, 404, "Not found"),
    "refused_405": _refused(Refusal.INVALID, 405, "Method not allowed"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "You have reached the daily limit of generations", 60.0),
    "refused_502": Uncertain(reason="HTTP 502, http_502: shedding load"),
    "refused_503": Uncertain(reason="HTTP 503, http_503: shedding load"),
    "refused_504": Uncertain(reason="HTTP 504, http_504: overloaded"),
}


@pytest.mark.parametrize("name", recorded.names("runway", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert runway.parse_receipt(recorded.reply("runway", name)) == EXPECTED[name]

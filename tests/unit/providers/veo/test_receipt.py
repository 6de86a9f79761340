"""Every recorded answer to a submit at the Gemini API, with what it must come to."""

import json

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import veo
from tests.unit.providers import recorded

TASK_ID = "models/veo-3.1-generate-preview/operations/op0001"
NO_NAME = Uncertain(reason="accepted without a readable name of an operation", was_accepted=True)


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


WRONG_KEY = "API key not valid. Please pass a valid API key."
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId(TASK_ID)),
    "receipt_of_another_form": NO_NAME,
    "receipt_without_name": NO_NAME,
    "refused_400": _refused(Refusal.INVALID, 400, "INVALID_ARGUMENT", "durationSeconds must be 8"),
    "refused_400_billing": _refused(
        Refusal.DENIED, 400, "FAILED_PRECONDITION", "Please enable billing on your project"
    ),
    "refused_400_wrong_key": _refused(Refusal.DENIED, 400, "API_KEY_INVALID", WRONG_KEY),
    "refused_401": _refused(Refusal.DENIED, 401, "UNAUTHENTICATED", "no credentials"),
    "refused_403": _refused(Refusal.DENIED, 403, "PERMISSION_DENIED", "no permission"),
    "refused_404": _refused(Refusal.INVALID, 404, "NOT_FOUND", "models/veo-9 is not found"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "RESOURCE_EXHAUSTED", "quota exceeded", 30.0),
    "refused_500": Uncertain(reason="HTTP 500, INTERNAL: internal"),
    "refused_503": Uncertain(reason="HTTP 503, UNAVAILABLE: overloaded"),
    "refused_504": Uncertain(reason="HTTP 504, DEADLINE_EXCEEDED: too slow"),
}


@pytest.mark.parametrize("name", recorded.names("veo", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert veo.parse_receipt(recorded.reply("veo", name)) == EXPECTED[name]


@pytest.mark.parametrize(
    "name",
    [
        "op0001",
        "operations/op0001",
        "models/a/operations/",
        "models/../operations/x",
        "models/a/operations/b/c",
        "/",
        7,
    ],
)
def test_a_name_in_any_other_form_is_no_receipt(name: object) -> None:
    outcome = veo.parse_receipt(HttpReply(status=200, body=json.dumps({"name": name}).encode()))
    assert isinstance(outcome, Uncertain)
    assert (outcome.provider_task_id, outcome.was_accepted) == (None, True)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_name_in_a_refusal_leaves_the_submit_uncertain_and_is_kept(status: int) -> None:
    body = {"name": TASK_ID, "error": {"code": status, "status": "X", "message": "no"}}
    outcome = veo.parse_receipt(HttpReply(status=status, body=json.dumps(body).encode()))
    assert isinstance(outcome, Uncertain)
    assert outcome.provider_task_id == TASK_ID


def test_a_receipt_that_is_cut_behind_its_name_is_one() -> None:
    body = json.dumps({"name": TASK_ID, "metadata": {}}).encode()
    end = body.index(TASK_ID.encode()) + len(TASK_ID) + 1
    for length in range(len(body)):
        outcome = veo.parse_receipt(HttpReply(status=200, body=body[:length]))
        assert isinstance(outcome, Receipt) is (length >= end)

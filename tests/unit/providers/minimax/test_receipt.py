"""Every recorded answer to a submit at MiniMax's version 2, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import minimax
from tests.unit.providers import recorded


def _refused(refusal: Refusal, status: int, code: str, message: str, retry_after_s: float | None = None) -> Refused:
    error = TaskError(code=code, message=message)
    return Refused(refusal=refusal, error=error, status=status, retry_after_s=retry_after_s)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId("424000000000001")),
    "receipt_without_id": Uncertain(reason="accepted without a readable task_id", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 200, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "refused_400": _refused(Refusal.INVALID, 400, "bad_request_error", "invalid params, duration out of range (2013)"),
    "refused_400_balance": _refused(Refusal.QUOTA, 400, "bad_request_error", "insufficient balance (1008)"),
    "refused_401": _refused(Refusal.DENIED, 401, "authorized_error", "login fail (1004)"),
    "refused_402": _refused(Refusal.QUOTA, 402, "insufficient_balance_error", "insufficient balance (1008)"),
    "refused_422": _refused(Refusal.INVALID, 422, "unprocessable_entity_error", "the prompt is refused (1026)"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "rate_limit_error", "rate limit (1002)", 12.0),
    "refused_500": Uncertain(reason="HTTP 500, server_error: unknown error (1000)"),
    "refused_529": Uncertain(reason="HTTP 529, overloaded_error: overloaded (1000)"),
}


@pytest.mark.parametrize("name", recorded.names("minimax", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert minimax.parse_receipt(recorded.reply("minimax", name)) == EXPECTED[name]

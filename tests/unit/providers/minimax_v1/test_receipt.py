"""Every recorded answer to a submit at MiniMax's version 1, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import minimax_v1
from tests.unit.providers import recorded


def _refused(refusal: Refusal, code: str, message: str, status: int = 200) -> Refused:
    return Refused(refusal=refusal, error=TaskError(code=code, message=message), status=status)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId("106000000000001")),
    "receipt_without_id": Uncertain(reason="accepted without a readable task_id", was_accepted=True),
    "receipt_cut": Uncertain(
        reason="HTTP 200, unreadable: the reply is not the JSON object that the provider documents", was_accepted=True
    ),
    "receipt_html": Uncertain(reason="HTTP 502, http_502: the reply holds no readable error"),
    "refused_1002": _refused(Refusal.THROTTLED, "1002", "rate limit"),
    "refused_1004": _refused(Refusal.DENIED, "1004", "login fail"),
    "refused_2049": _refused(Refusal.DENIED, "2049", "invalid api key"),
    "refused_1008": _refused(Refusal.QUOTA, "1008", "insufficient balance"),
    "refused_1026": _refused(Refusal.INVALID, "1026", "prompt refused"),
    "refused_2013": _refused(Refusal.INVALID, "2013", "invalid params, duration"),
    "refused_1028": _refused(Refusal.QUOTA, "1028", "plan quota is used up"),
    "refused_2061": _refused(Refusal.DENIED, "2061", "the model is not in the plan"),
    "refused_1000": Uncertain(reason="HTTP 200, 1000: unknown error", was_accepted=False),
    "refused_by_an_unknown_code": Uncertain(reason="HTTP 200, 1234: something", was_accepted=False),
    "refused_401": _refused(Refusal.DENIED, "1004", "login fail", 401),
}


@pytest.mark.parametrize("name", recorded.names("minimax-v1", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert minimax_v1.parse_receipt(recorded.reply("minimax-v1", name)) == EXPECTED[name]

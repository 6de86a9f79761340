"""Every recorded answer to a submit at a new-api gateway, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import newapi
from tests.unit.providers import recorded

TASK_ID = "task_0000000000000000000000000000abcd"


def _refused(refusal: Refusal, status: int, code: str, message: str) -> Refused:
    return Refused(refusal=refusal, error=TaskError(code=code, message=message), status=status)


QUEUED = Receipt(provider_task_id=ProviderTaskId(TASK_ID), raw_state="queued")
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_published": QUEUED,
    "receipt_201": QUEUED,
    "receipt_openai": QUEUED,
    "receipt_under_data": Receipt(provider_task_id=ProviderTaskId(TASK_ID)),
    "receipt_without_id": Uncertain(reason="accepted without a readable task_id or id", was_accepted=True),
    "refused_400_published": _refused(Refusal.INVALID, 400, "invalid_parameter", "duration must be 3 to 15"),
    "refused_400_upstream": _refused(Refusal.INVALID, 400, "ali_api_error", "InvalidParameter: picture too small"),
    "refused_401_routing": _refused(Refusal.DENIED, 401, "invalid_api_key", "invalid token (request id: 1)"),
    "refused_402": _refused(Refusal.QUOTA, 402, "insufficient_quota", "quota used up"),
    "refused_403_quota": _refused(Refusal.QUOTA, 403, "new_api_error", "token quota is not enough"),
    "refused_403_frozen": _refused(Refusal.DENIED, 403, "new_api_error", "account frozen"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "rate_limit", "当前分组上游负载已饱和"),
    "refused_500": Uncertain(reason="HTTP 500, do_request_failed: upstream"),
    "refused_504": Uncertain(reason="HTTP 504, upstream_timeout: timeout"),
    "refused_flat_within_200": Uncertain(reason="HTTP 200, do_request_failed: upstream"),
}


@pytest.mark.parametrize("name", recorded.names("newapi", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert newapi.parse_receipt(recorded.reply("newapi", name)) == EXPECTED[name]

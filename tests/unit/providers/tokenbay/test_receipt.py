"""Every recorded answer to a submit at TokenBay, with what it must come to."""

import pytest

from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import tokenbay
from tests.unit.providers import recorded


def _refused(refusal: Refusal, status: int, message: str, code: str = "tokenbay_error") -> Refused:
    return Refused(refusal=refusal, error=TaskError(code=code, message=message), status=status)


def _uncertain(status: int, message: str) -> Uncertain:
    return Uncertain(reason=f"HTTP {status}, tokenbay_error: {message}")


QUEUED = Receipt(provider_task_id=ProviderTaskId("task_abc"), raw_state="QUEUED")
EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_queued": QUEUED,
    "receipt_id_only": QUEUED,
    "refused_within_200": _refused(Refusal.INVALID, 200, "duration must be 3 to 15", "invalid_parameter"),
    "refused_within_200_quota": _refused(Refusal.QUOTA, 200, "quota not enough", "insufficient_user_quota"),
    "refused_within_200_key": _refused(Refusal.DENIED, 200, "key", "invalid_api_key"),
    "refused_within_200_rate": _refused(Refusal.THROTTLED, 200, "model rate", "rate_limit_exceeded"),
    "refused_within_200_timeout": Uncertain(reason="HTTP 200, upstream_timeout: upstream"),
    "refused_400": _refused(Refusal.INVALID, 400, "bad parameters"),
    "refused_401": _refused(Refusal.DENIED, 401, "key"),
    "refused_403": _refused(Refusal.QUOTA, 403, "quota not enough"),
    "refused_403_banned": _refused(Refusal.DENIED, 403, "account banned"),
    "refused_413": _refused(Refusal.INVALID, 413, "too large"),
    "refused_429": _refused(Refusal.THROTTLED, 429, "upstream full"),
    "refused_500": _uncertain(500, "internal"),
    "refused_501": _refused(Refusal.INVALID, 501, "not implemented"),
    "refused_503": _refused(Refusal.UNAVAILABLE, 503, "no channel"),
    "refused_504": _uncertain(504, "upstream timeout"),
}


@pytest.mark.parametrize("name", recorded.names("tokenbay", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert tokenbay.parse_receipt(recorded.reply("tokenbay", name)) == EXPECTED[name]

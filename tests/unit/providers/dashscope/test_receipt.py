"""Every recorded answer to a submit at DashScope, with what it must come to."""

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import dashscope
from tests.unit.providers import recorded

TASK_ID = "bbbbbbbb-0000-0000-0000-000000000001"


def _refused(refusal: Refusal, status: int, code: str, message: str | None = None) -> Refused:
    return Refused(refusal=refusal, error=TaskError(code=code, message=message or f"words of {code}"), status=status)


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId(TASK_ID), raw_state="PENDING"),
    "receipt_without_id": Uncertain(reason="accepted without a readable output.task_id", was_accepted=True),
    "refused_400_arrearage": _refused(Refusal.QUOTA, 400, "Arrearage"),
    "refused_400_badrequest_emptymodel": _refused(Refusal.INVALID, 400, "BadRequest.EmptyModel"),
    "refused_400_datainspectionfailed": _refused(Refusal.INVALID, 400, "DataInspectionFailed"),
    "refused_400_invalidparameter": _refused(Refusal.INVALID, 400, "InvalidParameter"),
    "refused_401_invalidapikey": _refused(Refusal.DENIED, 401, "InvalidApiKey"),
    "refused_403_accessdenied_unpurchased": _refused(Refusal.DENIED, 403, "AccessDenied.Unpurchased"),
    "refused_408_requesttimeout": Uncertain(reason="HTTP 408, RequestTimeOut: words of RequestTimeOut"),
    "refused_413_badrequest_toolarge": _refused(Refusal.INVALID, 413, "BadRequest.TooLarge"),
    "refused_429_throttling_ratequota": _refused(Refusal.THROTTLED, 429, "Throttling.RateQuota"),
    "refused_500_internalerror": Uncertain(reason="HTTP 500, InternalError: words of InternalError"),
    "refused_503_serviceunavailable": Uncertain(reason="HTTP 503, ServiceUnavailable: words of ServiceUnavailable"),
    "refused_within_200": _refused(Refusal.QUOTA, 200, "Arrearage", "overdue"),
}


@pytest.mark.parametrize("name", recorded.names("dashscope", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert dashscope.parse_receipt(recorded.reply("dashscope", name)) == EXPECTED[name]


def test_a_time_out_that_comes_as_another_status_is_still_no_refusal() -> None:
    body = b'{"request_id":"r","code":"RequestTimeOut","message":"took too long"}'
    assert isinstance(dashscope.parse_receipt(HttpReply(status=400, body=body)), Uncertain)

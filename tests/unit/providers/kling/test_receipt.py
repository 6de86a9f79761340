"""Every recorded answer to a submit at Kling, with what it must come to."""

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused, SubmitOutcome, TaskError, Uncertain
from submitter.providers import kling
from tests.unit.providers import recorded

INVALID, DENIED, QUOTA, THROTTLED = Refusal.INVALID, Refusal.DENIED, Refusal.QUOTA, Refusal.THROTTLED

REFUSALS = {
    "refused_401_1000": (DENIED, "authentication failed"),
    "refused_401_1001": (DENIED, "Authorization is empty"),
    "refused_401_1002": (DENIED, "Authorization is invalid"),
    "refused_401_1003": (DENIED, "Authorization is not yet valid"),
    "refused_401_1004": (DENIED, "Authorization has expired"),
    "refused_429_1100": (DENIED, "account exception"),
    "refused_429_1101": (QUOTA, "account in arrears"),
    "refused_429_1102": (QUOTA, "resource pack depleted or expired"),
    "refused_403_1103": (DENIED, "no access to the requested resource"),
    "refused_400_1200": (INVALID, "invalid request parameters"),
    "refused_400_1201": (INVALID, "duration is not supported"),
    "refused_404_1202": (INVALID, "the requested method is invalid"),
    "refused_404_1203": (INVALID, "the requested resource does not exist"),
    "refused_400_1300": (INVALID, "triggered the platform policy"),
    "refused_400_1301": (INVALID, "triggered the content check"),
    "refused_429_1302": (THROTTLED, "the request is too fast"),
    "refused_429_1303": (THROTTLED, "parallel task over resource pack limit"),
    "refused_429_1304": (DENIED, "the IP is not in the allow-list"),
}


def _refused(name: str) -> Refused:
    _, status, code = name.split("_")
    refusal, message = REFUSALS[name]
    return Refused(refusal=refusal, error=TaskError(code=code, message=message), status=int(status))


EXPECTED: dict[str, SubmitOutcome] = {
    "receipt_created": Receipt(provider_task_id=ProviderTaskId("900000000000000001"), raw_state="submitted"),
    "receipt_created_old": Receipt(
        provider_task_id=ProviderTaskId("image2video:900000000000000002"), raw_state="submitted"
    ),
    "receipt_old_without_our_id": Uncertain(
        reason="the receipt does not repeat our external_task_id, so the kind of task is not known",
        provider_task_id=ProviderTaskId("900000000000000002"),
        was_accepted=True,
    ),
    "receipt_without_id": Uncertain(reason="accepted without a readable data.id", was_accepted=True),
    **{name: _refused(name) for name in REFUSALS},
    "refused_1303_within_200": Refused(
        refusal=THROTTLED, error=TaskError(code="1303", message="parallel task over resource pack limit"), status=200
    ),
    "refused_500_5000": Uncertain(reason="HTTP 500, 5000: internal error"),
    "refused_503_5001": Uncertain(reason="HTTP 503, 5001: under maintenance"),
    "refused_504_5002": Uncertain(reason="HTTP 504, 5002: internal timeout"),
}


@pytest.mark.parametrize("name", recorded.names("kling", "receipt", "refused"))
def test_a_recorded_answer_to_a_submit_is_read_as_documented(name: str) -> None:
    assert kling.parse_receipt(recorded.reply("kling", name)) == EXPECTED[name]


@pytest.mark.parametrize("status", [200, 400, 429])
@pytest.mark.parametrize("code", [1101, "1101"])
def test_no_money_is_no_money_under_any_status(status: int, code: object) -> None:
    body = recorded.reply("kling", "refused_429_1101").body.replace(b"1101", b"1101" if code == 1101 else b'"1101"')
    outcome = kling.parse_receipt(HttpReply(status=status, body=body))
    assert isinstance(outcome, Refused)
    assert outcome.refusal is QUOTA


@pytest.mark.parametrize("status", [408, 499, 500, 502, 504])
def test_a_code_of_a_refusal_does_not_count_where_the_task_may_have_been_created(status: int) -> None:
    body = recorded.reply("kling", "refused_400_1201").body
    assert isinstance(kling.parse_receipt(HttpReply(status=status, body=body)), Uncertain)


@pytest.mark.parametrize("code", [b"5000", b"9999", b"429", b"401"])
def test_a_code_within_200_that_no_document_has_as_a_refusal_leaves_the_submit_uncertain(code: bytes) -> None:
    body = recorded.reply("kling", "refused_400_1201").body.replace(b"1201", code)
    assert isinstance(kling.parse_receipt(HttpReply(status=200, body=body)), Uncertain)


def test_a_receipt_of_the_old_generation_that_is_cut_behind_the_id_keeps_it() -> None:
    body = recorded.reply("kling", "receipt_created_old").body
    cut = body[: body.index(b'"task_status"') - 1]
    outcome = kling.parse_receipt(HttpReply(status=200, body=cut))
    assert isinstance(outcome, Uncertain)
    assert outcome.provider_task_id == "900000000000000002"


@pytest.mark.parametrize("own", ["job-18", "tsk_1", "tsk_1-", "tsk_1-A", "tsk_1-a/b", "other-image2video"])
def test_an_id_that_is_not_ours_tells_no_kind(own: str) -> None:
    body = recorded.reply("kling", "receipt_created_old").body.replace(b"tsk_1-image2video", own.encode())
    assert isinstance(kling.parse_receipt(HttpReply(status=200, body=body)), Uncertain)

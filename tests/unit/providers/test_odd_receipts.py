"""What an odd reply to a submit proves, for every adapter: an id in its documented place, or its absence."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import ProviderTaskId, Receipt, Refused, SubmitOutcome, Uncertain
from submitter.providers.json_reader import at
from submitter.providers.registry import ADAPTERS
from tests.unit.providers import recorded
from tests.unit.providers.statuses import FORMS as REPLY_FORMS

ID = "task-0001"
LITELLM_ID = "video_" + "bGl0" * 64  # as long as those of LiteLLM, which have 242 to 262 characters


def _hiapi(task_id: object) -> dict[str, Any]:
    return {"code": 200, "message": "success", "data": {"taskId": task_id}}


def _dashscope(task_id: object) -> dict[str, Any]:
    return {"request_id": "r", "output": {"task_id": task_id, "task_status": "PENDING"}}


def _modellix(task_id: object) -> dict[str, Any]:
    return {"code": 0, "message": "success", "data": {"status": "pending", "task_id": task_id, "model_id": "m"}}


def _kling(task_id: object) -> dict[str, Any]:
    return {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {"id": task_id, "status": "queued"}}


def _kie(task_id: object) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": {"taskId": task_id}}


def _published(task_id: object) -> dict[str, Any]:
    return {"task_id": task_id, "status": "queued"}


def _openai(task_id: object) -> dict[str, Any]:
    return {"id": task_id, "object": "video", "model": "m", "status": "queued", "progress": 0}


def _under_data(task_id: object) -> dict[str, Any]:
    return {"code": "success", "message": "", "data": {"id": 17, "task_id": task_id}}


def _runway(task_id: object) -> dict[str, Any]:
    return {"id": task_id, "estimatedCost": {"credits": 60}}


FORMS: list[tuple[str, Callable[[object], dict[str, Any]]]] = [
    ("hiapi", _hiapi),
    ("dashscope", _dashscope),
    ("modellix", _modellix),
    ("runway", _runway),
    ("kling", _kling),
    ("kie", _kie),
    *(
        (gateway, form)
        for gateway in ("newapi", "modelstream", "tokenbay")
        for form in (_published, _openai, _under_data)
    ),
    *((adapter, form) for adapter, each in REPLY_FORMS.items() for form in each.receipts),
]
each_form = pytest.mark.parametrize(("adapter", "form"), FORMS)


def _parsed(adapter: str, body: bytes | dict[str, Any], status: int = 200) -> SubmitOutcome:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return ADAPTERS[adapter].parse_receipt(HttpReply(status=status, body=raw))


def _id_of(outcome: SubmitOutcome) -> ProviderTaskId | None:
    """The id that the outcome names as a receipt."""
    return outcome.provider_task_id if isinstance(outcome, Receipt) else None


CODES: list[object] = [201, 200.0, 1, 20000, 400, 429, 500, 503, -1, 10**30, "OK", "ok", "submitted", "Notice", "500"]
ERRORS: list[object] = [{}, {"code": "", "message": ""}, {"code": 0, "message": "success"}, "text", [1], 7]
BESIDE: list[dict[str, Any]] = [
    *({"code": code} for code in [*CODES, None, True, [], {}, ""]),
    *({"error": error} for error in ERRORS),
    {"error": {"message": "field size is deprecated", "type": "warning", "code": "deprecated"}},
    {"error": {"message": "refused by the content check", "type": "upstream_error", "code": "content_policy"}},
    {"error": {"message": "slow down", "type": "invalid_request_error", "code": "rate_limit_exceeded"}},
    {"error_code": "INVALID_REQUEST", "message": "no"},
    {"success": False, "msg": "failed"},
]


@each_form
@pytest.mark.parametrize("beside", BESIDE, ids=json.dumps)
def test_an_id_in_its_place_is_a_receipt_whatever_stands_beside_it(
    adapter: str, form: Callable[[object], dict[str, Any]], beside: dict[str, Any]
) -> None:
    assert _id_of(_parsed(adapter, form(ID) | beside)) == ID
    assert _id_of(_parsed(adapter, beside | form(ID))) == ID


@each_form
@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
def test_every_2xx_makes_a_receipt(adapter: str, form: Callable[[object], dict[str, Any]], status: int) -> None:
    assert _id_of(_parsed(adapter, form(ID), status)) == ID


@each_form
@pytest.mark.parametrize("word", ["failed", "FAILURE", "fail", "canceled", "UNKNOWN", "no word of any document", "", 7])
def test_a_task_that_failed_at_once_has_a_receipt_and_its_end_is_polled(
    adapter: str, form: Callable[[object], dict[str, Any]], word: object
) -> None:
    body = json.loads(json.dumps(form(ID)).replace('"queued"', json.dumps(word)).replace('"PENDING"', json.dumps(word)))
    outcome = _parsed(adapter, body)
    assert isinstance(outcome, Receipt)
    assert outcome.provider_task_id == ID
    assert outcome.state.value in {"submitted", "running"}


@each_form
@pytest.mark.parametrize(
    "status", [300, 302, 307, 400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 499, 500, 501, 502, 503, 504, 524]
)
def test_an_id_in_any_other_reply_is_kept_and_never_refused(
    adapter: str, form: Callable[[object], dict[str, Any]], status: int
) -> None:
    error = {"error": {"code": "invalid_request", "message": "no", "type": "invalid_request_error"}, "error_code": "X"}
    for body in (form(ID), form(ID) | error):
        outcome = _parsed(adapter, body, status)
        assert isinstance(outcome, Uncertain)
        assert outcome.provider_task_id == ID
        assert not outcome.was_accepted
        assert json.loads(outcome.raw) == body


@each_form
def test_a_reply_that_is_cut_behind_the_id_is_a_receipt_and_one_cut_before_is_none(
    adapter: str, form: Callable[[object], dict[str, Any]]
) -> None:
    body = json.dumps(form(ID)).encode()
    end = body.index(ID.encode()) + len(ID) + 1  # with the closing quote
    for length in range(len(body)):
        outcome = _parsed(adapter, body[:length])
        if length >= end and not (form is _openai and b"video" not in body[:length]):
            assert _id_of(outcome) == ID, body[:length]
        elif length < end:
            assert isinstance(outcome, Uncertain), body[:length]
            assert (outcome.provider_task_id, outcome.was_accepted, outcome.raw) == (None, True, body[:length])


@each_form
@pytest.mark.parametrize("status", [400, 429, 503])
def test_an_id_in_a_cut_reply_of_another_status_is_kept(
    adapter: str, form: Callable[[object], dict[str, Any]], status: int
) -> None:
    outcome = _parsed(adapter, json.dumps(form(ID)).encode()[:-1], status)
    assert isinstance(outcome, Uncertain)
    assert outcome.provider_task_id == ID


def _with_text(form: Callable[[object], dict[str, Any]], text: bytes) -> bytes:
    return json.dumps({"note": "@"} | form(ID)).encode().replace(b"@", text)


@each_form
@pytest.mark.parametrize(
    "text",
    [b"ok \xe9", b"\xff\xfe", b"\xed\xa0\x80", b"a\nb", b"tab\there", b"\x00\x1b[2J", b"\\ud800", b"\xe2\x80\xa8"],
)
def test_bytes_beside_the_id_cost_it_nothing(
    adapter: str, form: Callable[[object], dict[str, Any]], text: bytes
) -> None:
    assert _id_of(_parsed(adapter, _with_text(form, text))) == ID


@each_form
@pytest.mark.parametrize(
    "behind", [b"\n", b"\x00\x00", b"<!-- cached -->", b'{"task_id":"other"}', b"}", b"\xff", b"\r\n0\r\n\r\n"]
)
def test_what_follows_the_document_costs_the_id_nothing(
    adapter: str, form: Callable[[object], dict[str, Any]], behind: bytes
) -> None:
    assert _id_of(_parsed(adapter, json.dumps(form(ID)).encode() + behind)) == ID
    assert _id_of(_parsed(adapter, b"\xef\xbb\xbf \n" + json.dumps(form(ID)).encode() + behind)) == ID


@each_form
@pytest.mark.parametrize("inside", [b"\xff", b"\xe9", b"\xed\xa0\x80"])
def test_an_id_that_lost_a_byte_is_no_id(adapter: str, form: Callable[[object], dict[str, Any]], inside: bytes) -> None:
    body = json.dumps(form(ID)).encode().replace(ID.encode(), b"task-" + inside + b"0001")
    for raw in (body, b"\xff" + body, body + b"\xff"):
        outcome = _parsed(adapter, raw)
        assert isinstance(outcome, Uncertain)
        assert (outcome.provider_task_id, outcome.raw) == (None, raw)


@each_form
@pytest.mark.parametrize("task_id", [LITELLM_ID, "x" * 1_000, "a", "id with a blank", "ümlaut", "17", "a/../b?c=d#e"])
def test_an_id_of_any_length_up_to_a_thousand_is_taken_as_it_is(
    adapter: str, form: Callable[[object], dict[str, Any]], task_id: str
) -> None:
    assert _id_of(_parsed(adapter, form(task_id))) == task_id


@each_form
@pytest.mark.parametrize("blank", ["{} ", " {}", "{}\n", "\t{}\r\n", "{}\u00a0", " " * 40 + "{}" + " " * 40])
def test_blanks_around_an_id_are_no_part_of_it(
    adapter: str, form: Callable[[object], dict[str, Any]], blank: str
) -> None:
    assert _id_of(_parsed(adapter, form(blank.format(ID)))) == ID


@each_form
@pytest.mark.parametrize("number", [1, 123, 12_345_678, 2**63, 2**64 - 1])
def test_a_number_as_an_id_is_its_digits(adapter: str, form: Callable[[object], dict[str, Any]], number: int) -> None:
    outcome = _parsed(adapter, form(number))
    assert not isinstance(outcome, Refused)
    assert outcome.provider_task_id == str(number)
    assert isinstance(outcome, Receipt) is (adapter != "hiapi")  # HiAPI's polls and callbacks know texts only


@each_form
@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, 1.5, 10**25, "", " ", ".", "..", [], ["task-1"], {"id": "t"}]
)
def test_what_is_no_id_is_accepted_without_one_and_kept(
    adapter: str, form: Callable[[object], dict[str, Any]], value: object
) -> None:
    outcome = _parsed(adapter, form(value))
    assert isinstance(outcome, Uncertain)
    assert (outcome.provider_task_id, outcome.was_accepted) == (None, True)
    assert json.loads(outcome.raw) == form(value)


MISPLACED: list[dict[str, Any]] = [
    {"request_id": ID, "trace": {"task_id": ID, "taskId": ID, "id": ID}},
    {"message": json.dumps({"task_id": ID, "id": ID, "data": {"taskId": ID}})},
    {"result": {"data": {"taskId": ID, "task_id": ID}}, "list": [{"task_id": ID}]},
    {"data": [{"taskId": ID, "task_id": ID, "id": ID}], "output": [{"task_id": ID}]},
    {"error": {"task_id": ID, "id": ID, "data": {"taskId": ID}}},
]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("body", MISPLACED)
def test_an_id_in_no_documented_place_is_none(adapter: str, body: dict[str, Any]) -> None:
    place = REPLY_FORMS[adapter].receipt_id
    if place and at(body, *place) == ID:
        return  # there it is documented
    whole = json.dumps(body).encode()
    for raw in (whole, whole[:-1], whole[:-2]):
        outcome = _parsed(adapter, raw)
        assert isinstance(outcome, Uncertain)
        assert outcome.provider_task_id is None


@pytest.mark.parametrize(
    ("adapter", "name"), [(each, name) for each in ADAPTERS for name in recorded.names(each, "receipt", "refused")]
)
def test_every_reply_that_is_no_receipt_keeps_its_bytes(adapter: str, name: str) -> None:
    reply = recorded.reply(adapter, name)
    outcome = ADAPTERS[adapter].parse_receipt(reply)
    if not isinstance(outcome, Receipt):
        assert outcome.raw == reply.body


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [200, 400, 503])
def test_the_bytes_that_are_kept_are_capped(adapter: str, status: int) -> None:
    outcome = _parsed(adapter, b"<html>" + b"x" * 1_000_000, status)
    assert not isinstance(outcome, Receipt)
    assert len(outcome.raw) == 65_536


@pytest.mark.parametrize("gateway", ["newapi", "modelstream", "tokenbay"])
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"id": "public", "task_id": "upstream", "object": "video", "status": "queued"}, "public"),
        ({"id": "row", "task_id": "public", "status": "queued"}, "public"),
        ({"id": 17, "task_id": "public"}, "public"),
        ({"id": "public", "task_id": 17}, "public"),
        ({"id": 17, "task_id": 18}, "18"),
        ({"code": "success", "data": {"id": 17, "task_id": 18}}, "18"),
        ({"id": "request", "data": {"task_id": "public"}}, "public"),
        ({"code": "success", "data": {"id": 17, "task_id": "public"}}, "public"),
        ({"data": {"id": "public", "task_id": "upstream", "object": "video"}}, "public"),
        ({"id": "", "task_id": "public", "object": "video"}, "public"),
        ({"id": "public", "task_id": None, "object": "video"}, "public"),
        ({"id": "public", "object": "video", "data": {"task_id": "upstream"}}, "public"),
    ],
)
def test_of_two_ids_the_one_that_queries_take_names_the_task(gateway: str, body: dict[str, Any], named: str) -> None:
    assert _id_of(_parsed(gateway, body)) == named


@pytest.mark.parametrize("gateway", ["newapi", "modelstream", "tokenbay"])
def test_a_cut_reply_with_two_ids_does_not_tell_which_one_is_polled(gateway: str) -> None:
    body = json.dumps({"id": "public", "task_id": "upstream", "object": "video", "status": "queued"}).encode()
    outcome = _parsed(gateway, body[: body.index(b"object")])
    assert isinstance(outcome, Uncertain)
    assert outcome.provider_task_id in {"public", "upstream"}
    assert _id_of(_parsed(gateway, body[:-2])) == "public"
    assert _id_of(_parsed(gateway, body.replace(b"upstream", b"public")[:40])) == "public"


@pytest.mark.parametrize("gateway", ["newapi", "modelstream", "tokenbay"])
@pytest.mark.parametrize(
    "body", [b'{"id":17,"task_id":"task-00', b'{"id":17,"status":"que', b'{"data":{"id":17,"task_id":"ta']
)
def test_a_number_in_a_cut_reply_is_no_id_because_the_text_may_have_been_cut_off(gateway: str, body: bytes) -> None:
    outcome = _parsed(gateway, body)
    assert isinstance(outcome, Uncertain)
    assert outcome.provider_task_id is None

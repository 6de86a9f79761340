"""Which replies without an id prove that nothing was created, for every adapter; all others are uncertain."""

import json

import pytest

from submitter.http.messages import HttpReply
from submitter.model import Refusal, Refused, SubmitOutcome, Uncertain
from submitter.providers.registry import ADAPTERS

FAMILY = ("newapi", "modelstream", "tokenbay")


def _parsed(adapter: str, status: int, body: object) -> SubmitOutcome:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return ADAPTERS[adapter].parse_receipt(HttpReply(status=status, body=raw))


def _refusal(outcome: SubmitOutcome) -> Refusal | None:
    assert isinstance(outcome, Refused | Uncertain)
    return outcome.refusal if isinstance(outcome, Refused) else None


def _error(code: object, kind: str = "new_api_error", message: str = "no") -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "code": code}}


#: What fronts send by themselves: nginx, a firewall's page, Envoy, AWS, Kong, Spring, Google, and nothing at all.
FRONTS: list[object] = [
    "<html><head><title>Error</title></head><body><center>nginx</center></body></html>",
    "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>",
    "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    {"message": "Service Unavailable"},
    {"message": "no healthy upstream", "request_id": "r"},
    {"timestamp": "2026-11-26", "status": 503, "error": "Service Unavailable", "path": "/v1/tasks"},
    {"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}},
    "",
    "null",
    "[]",
]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("body", FRONTS)
@pytest.mark.parametrize(
    "status", [408, 409, 424, 425, 460, 499, 500, 502, 503, 504, 520, 522, 524, 529, 301, 302, 307]
)
def test_a_front_that_may_have_passed_the_request_on_leaves_it_uncertain(
    adapter: str, body: object, status: int
) -> None:
    assert _refusal(_parsed(adapter, status, body)) is None


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("body", FRONTS[:5])
@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, Refusal.INVALID),
        (401, Refusal.DENIED),
        (403, Refusal.DENIED),
        (404, Refusal.INVALID),
        (405, Refusal.INVALID),
        (413, Refusal.INVALID),
        (415, Refusal.INVALID),
        (429, Refusal.THROTTLED),
    ],
)
def test_a_status_that_means_not_processed_refuses_whoever_sends_it(
    adapter: str, body: object, status: int, refusal: Refusal
) -> None:
    assert _refusal(_parsed(adapter, status, body)) is refusal


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", FRONTS)
def test_a_2xx_of_anybody_proves_no_refusal(adapter: str, status: int, body: object) -> None:
    if isinstance(body, dict) and "error" in body and adapter in {"hiapi", "modellix", "dashscope"}:
        return  # a code of theirs within 200
    assert _refusal(_parsed(adapter, status, body)) is None


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"code": 503, "message": "busy", "data": None, "error_code": "SERVICE_UNAVAILABLE"}, Refusal.UNAVAILABLE),
        ({"code": 503, "message": "busy", "data": None}, Refusal.UNAVAILABLE),
        ({"error_code": "SERVICE_UNAVAILABLE", "message": "busy"}, Refusal.UNAVAILABLE),
        (_error("unavailable", "hiapi_error"), Refusal.UNAVAILABLE),
        (_error("unavailable", "api_error"), None),
        ({"code": 500, "message": "busy"}, None),
        ({"code": "UNAVAILABLE", "message": "busy"}, None),
        ('{"code":503,"message":"bu', None),
    ],
)
def test_a_503_is_hiapis_only_in_its_own_form(body: object, refusal: Refusal | None) -> None:
    assert _refusal(_parsed("hiapi", 503, body)) is refusal


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("INVALID_REQUEST", Refusal.INVALID),
        ("MODEL_UNAVAILABLE", Refusal.UNAVAILABLE),
        ("TASK_FAILED", Refusal.INVALID),
        ("TASK_TIMEOUT", None),
        ("STORAGE_UNAVAILABLE", None),
        ("IDEMPOTENCY_KEY_MISMATCH", None),
    ],
)
def test_the_codes_of_hiapis_sdk_say_what_a_repeat_helps(status: int, code: str, refusal: Refusal | None) -> None:
    body = {"code": 400 if status == 200 else status, "message": "no", "data": None, "error_code": code}
    assert _refusal(_parsed("hiapi", status, body)) is refusal


@pytest.mark.parametrize("adapter", ["newapi", "modelstream", "tokenbay"])
@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("upstream_error", "upstream_error", "upstream request timed out"),
        ("upstream_error", "upstream_error", "context deadline exceeded"),
        ("bad_gateway", "api_error", "502 from upstream"),
        ("unavailable", "gateway_error", "upstream unavailable"),
        ("invalid_response", "", "task_id is empty"),
        ("invalid_request", "invalid_request_error", "Post https://up.example: context deadline exceeded"),
        ("invalid_parameter", "invalid_request_error", "read tcp: connection reset by peer"),
        ("insufficient_quota", "upstream_error", "the upstream's account has no money"),
        ("rate_limit_exceeded", "api_error", "timeout while waiting for the upstream"),
        ("do_request_failed", "new_api_error", "no"),
        ("bad_response_status_code", "openai_error", "no"),
        ("fail_to_fetch_task", "", "{}"),
        ("ali_api_error", "", "InvalidParameter: picture too small"),
        ("a_code_of_no_document", "a_type_of_none", "no"),
        ("", "", "no"),
        (None, "", ""),
    ],
)
def test_an_error_within_200_that_may_be_the_upstreams_refuses_nothing(
    adapter: str, code: object, kind: str, message: str
) -> None:
    outcome = _parsed(adapter, 200, _error(code, kind, message))
    assert isinstance(outcome, Uncertain)
    assert not outcome.was_accepted


@pytest.mark.parametrize("adapter", FAMILY)
@pytest.mark.parametrize(
    ("code", "kind", "refusal"),
    [
        ("invalid_parameter", "invalid_request_error", Refusal.INVALID),
        ("", "invalid_request_error", Refusal.INVALID),
        ("invalid_request", "", Refusal.INVALID),
        ("missing_parameter", "", Refusal.INVALID),
        ("sensitive_words_detected", "new_api_error", Refusal.INVALID),
        ("prompt_blocked", "new_api_error", Refusal.INVALID),
        ("model_not_found", "new_api_error", Refusal.UNAVAILABLE),
        ("insufficient_user_quota", "new_api_error", Refusal.QUOTA),
        ("invalid_api_key", "invalid_request_error", Refusal.DENIED),
        ("access_denied", "new_api_error", Refusal.DENIED),
        ("rate_limit_exceeded", "requests", Refusal.THROTTLED),
        ("token_concurrency_limit_reached", "too_many_requests", Refusal.THROTTLED),
    ],
)
def test_an_error_within_200_with_a_documented_code_refuses(
    adapter: str, code: str, kind: str, refusal: Refusal
) -> None:
    assert _refusal(_parsed(adapter, 200, _error(code, kind, "duration must be 3 to 15"))) is refusal


@pytest.mark.parametrize("adapter", FAMILY)
@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (503, "model_not_found", Refusal.UNAVAILABLE),
        (503, "get_channel_failed", Refusal.UNAVAILABLE),
        (503, "channel:no_available_key", Refusal.UNAVAILABLE),
        (503, "token_concurrency_unavailable", Refusal.UNAVAILABLE),
        (503, "system_cpu_overloaded", Refusal.UNAVAILABLE),
        (503, "system_memory_overloaded", Refusal.UNAVAILABLE),
        (503, "system_disk_overloaded", Refusal.UNAVAILABLE),
        (501, "api_not_implemented", Refusal.INVALID),
        (429, "token_concurrency_limit_reached", Refusal.THROTTLED),
        (404, "model_not_found", Refusal.INVALID),
        (500, "model_not_found", None),
        (500, "get_channel_failed", None),
        (502, "model_not_found", None),
    ],
)
def test_what_the_router_refuses_is_refused_before_anything_is_passed_on(
    adapter: str, status: int, code: str, refusal: Refusal | None
) -> None:
    message = "no available channel for model x (request id: 1)"
    assert _refusal(_parsed(adapter, status, _error(code, message=message))) is refusal


@pytest.mark.parametrize("adapter", ["newapi", "modelstream"])
@pytest.mark.parametrize(
    "body",
    [
        {"code": "get_channel_failed", "message": "no channel", "data": None},  # flat: the task layer, after a try
        _error("get_channel_failed", message="分组 default 下模型 x 的可用渠道不存在（retry）"),
        _error("service_unavailable"),
        _error(""),
        {"error": "model_not_found"},
    ],
)
def test_a_503_that_can_follow_a_try_at_a_channel_is_uncertain(adapter: str, body: object) -> None:
    assert _refusal(_parsed(adapter, 503, body)) is None


@pytest.mark.parametrize(
    ("status", "message", "refusal"),
    [
        (503, "no available channel", Refusal.UNAVAILABLE),
        (503, "system overloaded", Refusal.UNAVAILABLE),
        (503, "upstream answered 503", None),
        (501, "not implemented", Refusal.INVALID),
        (500, "no available channel", None),
        (502, "no available channel", None),
        (504, "upstream timeout", None),
    ],
)
def test_tokenbay_documents_its_503_and_501_as_refused_before_the_upstream(
    status: int, message: str, refusal: Refusal | None
) -> None:
    assert _refusal(_parsed("tokenbay", status, _error("tokenbay_error", "tokenbay_error", message))) is refusal


def test_a_refusal_of_a_gateway_without_a_channel_passes_its_wait_on() -> None:
    reply = HttpReply(status=503, headers=(("retry-after", "20"),), body=json.dumps(_error("model_not_found")).encode())
    outcome = ADAPTERS["newapi"].parse_receipt(reply)
    assert isinstance(outcome, Refused)
    assert (outcome.refusal, outcome.retry_after_s, outcome.status) == (Refusal.UNAVAILABLE, 20.0, 503)

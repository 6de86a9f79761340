"""What a gateway of the new-api family refuses before anything is created. Pure.

Sources: QuantumNous/new-api and its forks (types/error.go, middleware/distributor.go, middleware/performance.go,
controller/relay.go, relay/relay_task.go; read 2026-11-26) and the errors that TokenBay documents within 200 (seed 004).
"""

from collections.abc import Mapping

from submitter.http.messages import is_success
from submitter.model import Refusal
from submitter.providers.error_replies import BY_STATUS, ErrorReply
from submitter.providers.json_reader import JsonObject, at, text_at

#: Parts of an error's code or type that name the rate, the key, and the rights.
RATE_CODES = ("rate_limit", "too_many", "saturat", "overload")
KEY_CODES = ("api_key", "invalid_token", "authenticat", "unauthorized", "banned")
RIGHTS_CODES = ("denied", "forbidden", "permission")

#: What a part of an error's code or type means, checked in this order. None: the upstream may have accepted the task.
_CODE_WORDS: tuple[tuple[str, Refusal | None], ...] = (
    ("timeout", None),
    ("internal", None),
    ("server_error", None),
    ("do_request_failed", None),
    ("bad_response", None),
    *((part, Refusal.THROTTLED) for part in RATE_CODES),
    ("quota", Refusal.QUOTA),
    ("balance", Refusal.QUOTA),
    *((part, Refusal.DENIED) for part in (*KEY_CODES, *RIGHTS_CODES)),
)

#: Codes with which a router refuses before anything is passed on: middleware/distributor.go for a model that no channel
#: serves (now, or at all: the code is the same), middleware/performance.go for an overload, the gate of a fork for its
#: concurrency, controller/relay.go for a route without code (QuantumNous/new-api and its forks, read 2026-11-26).
_ROUTER_CODES: Mapping[tuple[int, str], Refusal] = {
    (503, "model_not_found"): Refusal.UNAVAILABLE,
    (503, "get_channel_failed"): Refusal.UNAVAILABLE,
    (503, "channel:no_available_key"): Refusal.UNAVAILABLE,
    (503, "token_concurrency_unavailable"): Refusal.UNAVAILABLE,
    (503, "system_cpu_overloaded"): Refusal.UNAVAILABLE,
    (503, "system_memory_overloaded"): Refusal.UNAVAILABLE,
    (503, "system_disk_overloaded"): Refusal.UNAVAILABLE,
    (501, "api_not_implemented"): Refusal.INVALID,
}

#: Within 200, parts of a code or type that are documented for a wrong request: the page of seed 004 and the codes of
#: types/error.go (read 2026-11-26).
_INVALID_WORDS: tuple[tuple[str, Refusal], ...] = (
    ("invalid_request", Refusal.INVALID),
    ("invalid_parameter", Refusal.INVALID),
    ("missing_parameter", Refusal.INVALID),
    ("bad_request_body", Refusal.INVALID),
    ("sensitive_words", Refusal.INVALID),
    ("prompt_blocked", Refusal.INVALID),
    ("model_not_found", Refusal.UNAVAILABLE),
)

#: Within 200, parts of a code or type of an error that came back from the upstream, so that a task may exist there.
_OPEN_WITHIN_200 = ("upstream", "gateway", "unavailable", "invalid_response", "fail_to_fetch", "unmarshal")

#: Within 200, words about an exchange with the upstream, whatever the code is.
_OPEN_MESSAGE_WORDS = (
    "timed out",
    "timeout",
    "deadline exceeded",
    "context canceled",
    "connection",
    "reset by",
    "超时",
)

#: A 403 means no money as often as no rights; these words in its message mean no money.
_QUOTA_WORDS = ("quota", "balance", "额度", "余额")


def refusal_of(problem: ErrorReply, document: JsonObject | None) -> Refusal | None:
    """Return what a reply with an error refuses; None where the upstream may have accepted the task.

    A 4xx means that nothing was created. An error within 200 and a 5xx mean it only with a code that is documented so.
    """
    if problem.status == 429:
        return Refusal.THROTTLED
    if problem.status in {501, 503}:
        return _refused_by_router(problem, document)
    if is_success(problem.status):
        return _refused_within_200(problem, document)
    if problem.status not in BY_STATUS:
        return None
    by_default = BY_STATUS[problem.status]
    if problem.status == 403 and any(word in problem.error.message.lower() for word in _QUOTA_WORDS):
        by_default = Refusal.QUOTA
    return _by_code(code_and_type(problem, document), by_default)


def code_and_type(problem: ErrorReply, document: JsonObject | None) -> str:
    """Return code and type of an error in one text, in lower case, because gateways name its kind in either."""
    return f"{problem.error.code} {text_at(document, 'error', 'type')}".lower()


def _refused_by_router(problem: ErrorReply, document: JsonObject | None) -> Refusal | None:
    """A gateway's router answers in an `error` object, before it passes anything on. The task layer answers flat.

    `get_channel_failed` is also what is left after a try at one channel that may have created a task. The task layer
    says so with 500, and the message says "retry".
    """
    if not isinstance(at(document, "error"), dict) or "retry" in problem.error.message.lower():
        return None
    return _ROUTER_CODES.get((problem.status, problem.error.code))


def _refused_within_200(problem: ErrorReply, document: JsonObject | None) -> Refusal | None:
    said = code_and_type(problem, document)
    if any(word in said for word in _OPEN_WITHIN_200) or _is_about_upstream(problem.error.message):
        return None
    known = next((refusal for part, refusal in _INVALID_WORDS if part in said), None)
    return _by_code(said, known)


def _is_about_upstream(message: str) -> bool:
    return any(word in message.lower() for word in _OPEN_MESSAGE_WORDS)


def _by_code(said: str, otherwise: Refusal | None) -> Refusal | None:
    return next((refusal for part, refusal in _CODE_WORDS if part in said), otherwise)

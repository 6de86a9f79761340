"""What Kling's error codes mean for a submit and for a poll. Pure.

Source, read 2026-11-26: https://kling.ai/document-api/api/get-started/error-codes (public copy). An error can also come
within HTTP 200, so the code counts before the status. 429 is five things: the account, its money, its pack, the rate
and the slots.
"""

from collections.abc import Mapping

from submitter.http.messages import HttpReply, is_success
from submitter.model import Denied, Refusal, Refused, Throttled, Unavailable, Uncertain
from submitter.providers.error_replies import BY_STATUS, ErrorReply, describe, refused_or_uncertain
from submitter.providers.json_reader import capped
from submitter.providers.statuses import poll_outcome, unusable

#: None: the task may have been created.
_REFUSALS: Mapping[str, Refusal | None] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), Refusal.DENIED),  # key or token
    "1100": Refusal.DENIED,  # the account is not in order
    "1101": Refusal.QUOTA,  # arrears
    "1102": Refusal.QUOTA,  # the pack is used up or has expired
    "1103": Refusal.DENIED,  # no right to this model
    **dict.fromkeys(("1200", "1201", "1202", "1203"), Refusal.INVALID),
    **dict.fromkeys(("1300", "1301"), Refusal.INVALID),  # policy and content check
    "1302": Refusal.THROTTLED,  # rate
    "1303": Refusal.THROTTLED,  # every slot is in use
    "1304": Refusal.DENIED,  # our address is not in the account's list
    **dict.fromkeys(("5000", "5001", "5002"), None),
}

#: Of a poll: the account is meant, whatever the task.
_OF_ACCOUNT = frozenset({"1000", "1001", "1002", "1003", "1004", "1100", "1304"})

#: Of a poll: one model, so perhaps this task only.
_OF_MODEL = "1103"

#: Of a poll: no money. No document says that a query can be refused so, and it is no question of the rate.
_OF_MONEY = frozenset({"1101", "1102"})

UNKNOWN_TASK = "1201"  # on the paths of the old generation, with HTTP 400


def refused_submit(problem: ErrorReply, reply: HttpReply) -> Refused | Uncertain:
    """A 5xx, a time-out and a redirect are uncertain, whatever their code; a 2xx refuses by a documented code only."""
    code, status = problem.error.code, reply.status
    if status in {408, 499} or not (is_success(status) or 400 <= status < 500):
        return refused_or_uncertain(problem, None)
    by_status = None if is_success(status) else BY_STATUS.get(status)
    return refused_or_uncertain(problem, _REFUSALS.get(code, by_status))


def refused_poll(problem: ErrorReply, reply: HttpReply) -> Throttled | Denied | Unavailable:
    code = problem.error.code
    if code in _OF_ACCOUNT or code == _OF_MODEL:
        status = 401 if code in _OF_ACCOUNT else 403
        return Denied(status=status, message=problem.error.message, raw=capped(reply.body))
    if code in _OF_MONEY:
        return unusable(reply, describe(problem))
    return poll_outcome(problem, reply, _REFUSALS)

"""What both versions of MiniMax share: the challenge of a callback address, and what codes of errors mean. Pure.

Sources, read 2026-11-26: https://platform.minimax.io/docs/api-reference/video-generation-t2v and
video-generation-v2-create for challenge and codes; the source MiniMax-AI/cli (2026-05-06), src/errors/api.ts, for the
codes of plans. That source reads 1002 as a refused text, the pages as a rate limit; the pages count.
"""

from collections.abc import Mapping

from submitter.http.messages import Callback, HttpReply
from submitter.model import NotFound, Refusal, TaskState
from submitter.providers.error_replies import ErrorReply
from submitter.providers.json_reader import StateWords, at, capped, read_object

#: Longer texts are no challenge of theirs, and are not sent back.
CHALLENGE_CAP = 1_000

#: None: the task may have been created all the same.
REFUSAL_CODES: Mapping[str, Refusal | None] = {
    "1002": Refusal.THROTTLED,
    "1004": Refusal.DENIED,
    "2049": Refusal.DENIED,
    "1008": Refusal.QUOTA,
    "1028": Refusal.QUOTA,
    "1030": Refusal.QUOTA,
    "2061": Refusal.DENIED,  # the model is not in the plan
    "1026": Refusal.INVALID,
    "2013": Refusal.INVALID,
    "1000": None,
}

#: Spellings that the pages of this version do not have: of the other one, of the vendor's client, and of gateways.
OTHER_STATES: StateWords = {
    "queued": TaskState.SUBMITTED,
    "running": TaskState.RUNNING,
    "processing": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "succeeded": TaskState.SUCCEEDED,
    "fail": TaskState.FAILED,
    "failed": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
    "canceled": TaskState.CANCELED,
}

#: Query page of v2: the answer about an id that is older than 7 days.
_NO_TASK = "invalid task_id"


def challenge_answer(callback: Callback, /) -> Mapping[str, str] | None:
    """Return the challenge itself, which must be answered within 3 s. A message about a task is none."""
    document = read_object(callback.body)
    challenge = at(document, "challenge")
    if not isinstance(challenge, str) or not 0 < len(challenge) <= CHALLENGE_CAP or not challenge.isprintable():
        return None
    is_about_task = at(document, "task_id") is not None or at(document, "task") is not None
    return None if is_about_task else {"challenge": challenge}


def no_such_task(problem: ErrorReply, reply: HttpReply) -> NotFound | None:
    """The documents name the words and no status. A bare 404 is a proxy's."""
    is_own = problem.status < 500 and _NO_TASK in problem.error.message.lower()
    return NotFound(raw=capped(reply.body)) if is_own else None

"""How states are shown: the kind of their badge, which is never the only sign. Pure."""

from collections.abc import Mapping

from submitter.model import TaskState

_S = TaskState

#: good: all is well; bad: it ended badly; warn: a person is needed; busy: on its way.
KINDS: Mapping[str, str] = {
    _S.QUEUED: "plain",
    _S.SUBMITTING: "busy",
    _S.UNCERTAIN: "warn",
    _S.REFUSED: "bad",
    _S.SUBMITTED: "busy",
    _S.RUNNING: "busy",
    _S.SUCCEEDED: "good",
    _S.FAILED: "bad",
    _S.CANCELED: "plain",
    _S.EXPIRED: "bad",
    # of deliveries
    "pending": "busy",
    "delivered": "good",
    "dead": "bad",
    # of runs
    "finished": "good",
    "stopped": "plain",
}


def kind(word: str) -> str:
    return KINDS.get(word, "plain")

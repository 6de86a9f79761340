"""How the operations of the Gemini API look. They have no word for a state, so shared tests of words leave them out."""

from collections.abc import Mapping
from typing import Any

from tests.unit.providers.statuses import LINK, Form

_ENDS = {"done", "error"}


def _operation(named: Any, word: str, inner: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    error = {"error": {"code": 3, "message": "bad picture"}} if word == "error" else {}
    return {"name": named, "done": word in _ENDS, **error, **inner, **top}


FORM = Form(
    running="not done",
    failed="error",
    succeeded="done",
    document=_operation,
    has_words=False,
    result={"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": LINK}}]}}},
)

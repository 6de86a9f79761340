"""A problem on the wire is the documented one, whatever made it."""

import json
from typing import Any

import pytest

from receiver.web.problems import Kind, Problem, invalid, to_response
from submitter import api
from submitter.errors import Violation

EXTRAS: list[dict[str, Any]] = [
    {},
    {"task": "tsk_1"},
    {"provider": {"name": "hiapi", "code": "QUOTA", "message": "no credit"}, "task": "tsk_1"},
    {"oldest_after": 0},
]


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("kind", Kind)
def test_its_members_are_those_of_the_model_in_their_order(kind: Kind, extra: dict[str, Any]) -> None:
    violations = [Violation(field="video.model", rule="is unknown", accepted="a known one")] * 2
    for problem in (
        Problem(kind, status=418 if kind is Kind.OTHER else None, extra=extra),
        Problem(kind, "a detail", instance="/v1/tasks/tsk_1", extra=extra),
        invalid(kind, *violations),
    ):
        sent = json.loads(bytes(to_response(problem, "req_1").body))
        assert list(sent.items()) == list(api.Problem.model_validate(sent).json_values().items())

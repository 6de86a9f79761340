"""Whatever a body or a query holds, it breaks a few rules at most: lengths are checked before what is in a list."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from receiver.web.json_body import MAX_VALUES
from receiver.web.problems import MOST_ERRORS, Kind, Problem, invalid
from receiver.web.routes import ROUTES
from receiver.web.schemas.tasks import NoBody
from receiver.web.validation import check
from submitter.errors import Violation

BODIES = sorted({route.body for route in ROUTES if route.body is not NoBody}, key=lambda model: model.__name__)
MANY = MAX_VALUES - 10
#: Two models of at most a dozen known members and the same number of unknown ones.
FEW = 100
ITEMS: dict[str, Any] = {
    "zeros": [0] * MANY,
    "few zeros": [0] * 40,
    "lists": [[]] * MANY,
    "empty texts": [""] * MANY,
    "texts and one zero": ["x"] * 20 + [0],
    "members": {str(number): number for number in range(MANY)},
    "few members": {str(number): number for number in range(30)},
}


def _errors(model: type[BaseModel], value: object) -> int:
    try:
        model.model_validate(value)
    except ValidationError as error:
        return error.error_count()
    return 0


def _names(model: type[BaseModel]) -> list[tuple[str, ...]]:
    inner = {"video", "raw", "notify"} & model.model_fields.keys()
    below = {"video": ("reference_images", "model"), "raw": ("body", "path"), "notify": ("url",)}
    return [(name,) for name in model.model_fields] + [(name, each) for name in inner for each in below[name]]


@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_many_wrong_values_are_few_errors(model: type[BaseModel], items: str) -> None:
    wrong = ITEMS[items]
    for name, *rest in _names(model):
        assert _errors(model, {name: {rest[0]: wrong} if rest else wrong}) < FEW
    assert _errors(model, {name: wrong for name, *_ in _names(model)}) < FEW
    assert _errors(model, wrong) <= FEW


@pytest.mark.parametrize(
    ("field", "accepted"), [("reference_images", "at most 100"), ("nothing_of_that_name", "model, prompt")]
)
def test_the_length_of_a_list_is_named_and_not_its_items(field: str, accepted: str) -> None:
    model = next(model for model in BODIES if model.__name__ == "SubmitRequest")
    with pytest.raises(Problem) as refused:
        check(model, {"provider": "x", "video": {"model": "m", field: [0] * 101}}, Kind.INVALID)
    (violation,) = refused.value.errors
    assert violation.field == f"video.{field}"
    assert accepted in violation.accepted


def test_an_answer_names_a_few_broken_rules() -> None:
    problem = invalid(Kind.INVALID, *[Violation(field="a" * 200, rule="b" * 200, accepted="c")] * 500)
    assert len(problem.errors) == MOST_ERRORS
    assert len(problem.detail or "") <= 1000

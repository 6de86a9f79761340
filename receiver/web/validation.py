"""Check a body or a query against its pydantic model, and name every broken rule: where, what, and what would pass."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from receiver.web.problems import MOST_ERRORS, SHOWN_CHARACTERS, Kind, invalid
from receiver.web.schemas.tasks import AnyQuery
from submitter.errors import Violation

M = TypeVar("M", bound=BaseModel)

Place = tuple[str, ...]

MOST_PARAMETERS = 50  # in one query; no endpoint takes nearly as many

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_CONTROL = re.compile("[\x00-\x1f\x7f]")

#: The name of the type that is accepted, by pydantic's error type. Pydantic's own messages name Python's types.
_TYPES: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "whole_number": "a whole number in digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
}

#: The rule and what is accepted, filled from the context of pydantic's error.
_RULES: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "a value"),
    "rfc3339": ("is not a time in RFC 3339", "a time with its offset, as 2026-09-21T14:13:20Z"),
    "string_too_short": ("is too short", "at least {min_length} characters"),
    "string_too_long": ("is too long", "at most {max_length} characters"),
    "string_pattern_mismatch": ("is not of the right form", "text that matches {pattern}"),
    "members": ("has too many members", "at most {max_length}"),
    "too_short": ("has too few entries", "at least {min_length}"),
    "host": ("is not the address of a host", "such as https://hooks.example.com"),
    "too_long": ("has too many entries", "at most {max_length}"),
    "greater_than_equal": ("is too small", "{ge} or more"),
    "less_than_equal": ("is too large", "{le} or less"),
    "enum": ("is not one of the known words", "{expected}"),
    "literal_error": ("is not one of the known words", "{expected}"),
}


def check(model: type[M], value: object, kind: Kind) -> M:
    """Return the checked value. Raise the problem of `kind` with every broken rule."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(kind, *violations_of(model, error)) from None


def violations_of(model: type[BaseModel], error: ValidationError) -> tuple[Violation, ...]:
    found = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
    return tuple(_violation(model, each) for each in found)


def read_query(model: type[M], query: bytes) -> M:
    """Return the checked query. Raise a 400 problem for a query that cannot be read or breaks a rule."""
    if model is AnyQuery:
        return model()
    given: dict[str, Any] = {}
    repeatable = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple}
    for name, value in _pairs(query):
        if name in repeatable:
            given.setdefault(name, []).append(value)
        elif name in given:
            violation = Violation(field=_shortened(name), rule="is given twice", accepted="one value")
            raise invalid(Kind.MALFORMED, violation)
        else:
            given[name] = value
    return check(model, given, Kind.MALFORMED)


def _pairs(query: bytes) -> Sequence[tuple[str, str]]:
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise _unreadable() from None
    if _BAD_ESCAPE.search(text) or any(_CONTROL.search(part) for pair in pairs for part in pair):
        raise _unreadable()
    return pairs


def _unreadable() -> Exception:
    accepted = f"up to {MOST_PARAMETERS} of name=value, percent-encoded UTF-8 without control characters"
    return invalid(Kind.MALFORMED, Violation(field="query", rule="cannot be read", accepted=accepted))


def _violation(model: type[BaseModel], error: ErrorDetails) -> Violation:
    place = tuple(str(part) for part in error["loc"] if part != "[key]")
    field = _shortened(".".join(place)) or "body"
    if error["type"] == "contradiction":
        return Violation(**error["ctx"])
    if error["type"] == "extra_forbidden":
        return _unknown_member(model, place, field)
    if expected := _TYPES.get(error["type"]):
        return Violation(field=field, rule=f"is not {expected}", accepted=expected)
    rule, accepted = _RULES.get(error["type"], (error["msg"], "see /openapi.json"))
    context = {name: str(value) for name, value in error.get("ctx", {}).items()}
    return Violation(field=field, rule=rule, accepted=accepted.format_map(context))


def _unknown_member(model: type[BaseModel], place: Place, field: str) -> Violation:
    """A member that the model has elsewhere is in the wrong place; any other one is unknown."""
    known = _places(model)
    elsewhere = [each for each in known if each[-1] == place[-1]]
    if elsewhere:
        homes = " or ".join(_home(each) for each in elsewhere)
        accepted = " or ".join(f"`{'.'.join(each)}`" for each in elsewhere)
        return Violation(field=field, rule=f"belongs {homes}", accepted=accepted)
    siblings = ", ".join(each[-1] for each in known if each[:-1] == place[:-1])
    return Violation(field=field, rule="is not a known name", accepted=siblings or "nothing here")


def _home(place: Place) -> str:
    return f"in `{'.'.join(place[:-1])}`" if place[:-1] else "at the top of the body"


@cache
def _places(model: type[BaseModel]) -> tuple[Place, ...]:
    """The paths of all members of a model and of the models in it."""
    return tuple(_walk(model))


def _walk(model: type[BaseModel]) -> Iterator[Place]:
    for name, field in model.model_fields.items():
        yield (name,)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from ((name, *rest) for rest in _walk(inner))


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"

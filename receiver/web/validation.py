"""From what a caller wrote to a checked value, or to every broken rule in words: where, what, and what would pass.

Pure. The pydantic models of `receiver.web.shapes` hold the rules; here are only their words.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from receiver.web.problems import SHOWN_CHARACTERS, Kind, invalid
from submitter.errors import Violation

M = TypeVar("M", bound=BaseModel)

MOST_ERRORS = 50  # in one answer

MOST_PARAMETERS = 50  # in one query; no route takes nearly as many

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_CONTROL = re.compile("[\x00-\x1f\x7f]")

#: By pydantic's error type: the rule and what is accepted, filled from the error's context.
_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "a value"),
    "string_type": ("is not text", "text"),
    "int_type": ("is not a whole number", "a whole number"),
    "int_from_float": ("is not a whole number", "a whole number"),
    "moment": ("is not a time in RFC 3339", "a time with its offset, as 2026-09-21T14:13:20Z"),
    "whole_number": ("is not a whole number in digits", "a whole number in digits"),
    "float_type": ("is not a number", "a number"),
    "float_parsing": ("is not a number", "a number"),
    "finite_number": ("is not finite", "a finite number"),
    "bool_type": ("is not true or false", "true or false"),
    "dict_type": ("is not an object", "an object"),
    "model_type": ("is not an object", "an object"),
    "model_attributes_type": ("is not an object", "an object"),
    "list_type": ("is not a list", "a list"),
    "tuple_type": ("is not a list", "a list"),
    "string_too_short": ("is too short", "at least {min_length} characters"),
    "string_too_long": ("is too long", "at most {max_length} characters"),
    "string_pattern_mismatch": ("is not of the right form", "text that matches {pattern}"),
    "too_long": ("has too many entries", "at most {max_length}"),
    "greater_than_equal": ("is too small", "{ge} or more"),
    "less_than_equal": ("is too large", "{le} or less"),
    "enum": ("is not one of the known words", "{expected}"),
    "literal_error": ("is not one of the known words", "{expected}"),
}


def check(model: type[M], value: object, kind: Kind) -> M:
    """Raise the problem of `kind` with every broken rule."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
        raise invalid(kind, *(_violation(model, each) for each in found)) from None


def read_query(model: type[M], query: bytes) -> M:
    """Raise a 400 problem for text that cannot be read, unknown names, names given twice and unfit values."""
    given: dict[str, Any] = {}
    repeatable = {name for name, field in model.model_fields.items() if _is_list(field.annotation)}
    for name, value in _pairs(query):
        if name in repeatable:
            given.setdefault(name, []).append(value)
        elif name in given:
            violation = Violation(field=_shown(name), rule="is given twice", accepted="one value")
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


def _is_list(annotation: object) -> bool:
    return getattr(annotation, "__origin__", None) is tuple


def _violation(model: type[BaseModel], error: ErrorDetails) -> Violation:
    place = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        known = ", ".join(_names_at(model, error["loc"][:-1])) or "nothing here"
        return Violation(field=_shown(place), rule="is not a known name", accepted=known)
    rule, accepted = _WORDS.get(error["type"], (error["msg"], "see /openapi.json"))
    context = {name: str(value) for name, value in error.get("ctx", {}).items()}
    return Violation(field=_shown(place) or "body", rule=rule, accepted=accepted.format_map(context))


def _names_at(model: type[BaseModel], place: Sequence[int | str]) -> Sequence[str]:
    """The names that the object at a place of the model takes."""
    for part in place:
        field = model.model_fields.get(str(part))
        inner = next((each for each in _types_of(field.annotation) if _is_model(each)), None) if field else None
        if inner is None:
            return ()
        model = inner
    return tuple(model.model_fields)


def _types_of(annotation: object) -> tuple[Any, ...]:
    return (annotation, *get_args(annotation))


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"

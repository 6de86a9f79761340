"""From environment variables to the fields of a settings model, and from pydantic's errors to problems that name them.

Pure. Problems are returned, not raised, so that one start shows all of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from receiver.config.problems import SettingProblem
from receiver.config.types import InvalidValue, Section

PREFIX = "WHENFINAL_"

#: What Kubernetes sets in every container for a service that is named whenfinal.
_SERVICE_LINK = re.compile(r"WHENFINAL_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


class Contradictions(ValueError):
    """Settings that are valid one by one and contradict each other."""

    def __init__(self, problems: tuple[SettingProblem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as people read of it."""

    #: The environment variable.
    env: str
    #: The names of the fields that lead to it in the model.
    path: tuple[str, ...]
    #: As it would stand in the environment; empty means unset.
    default: str
    what: str
    unit: str = ""
    danger: str = ""
    #: Its heading in `.env.example`; empty in the settings of an account, which have their own.
    group: str = ""
    choices: tuple[str, ...] = ()
    #: Whether its value must not be shown.
    is_secret: bool = False
    #: What its text may be, such as "a number from 1 to 10", where no reader of its type says it.
    accepted: str


@cache
def list_settings(model: type[Section]) -> tuple[Setting, ...]:
    """Every setting of a model and of the models in it, in the order of the fields."""
    return tuple(_settings_of(model, ()))


def _settings_of(model: type[Section], path: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        if isinstance(field.json_schema_extra, dict):
            yield _setting(field, (*path, name), field.json_schema_extra, model.group)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _settings_of(field.annotation, (*path, name))


def _setting(field: FieldInfo, path: tuple[str, ...], about: Mapping[str, Any], group: str) -> Setting:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Setting(
        env=about["env"],
        path=path,
        group=about["group"] or group,
        default=_text_of(field.default),
        unit=about["unit"],
        what=field.description or "",
        danger=about["danger"],
        choices=choices,
        is_secret=not field.repr,
        accepted=_accepted(field, choices, about["accepted"]),
    )


def _accepted(field: FieldInfo, choices: tuple[str, ...], numbers: str) -> str:
    if choices:
        return f"one of {', '.join(choices)}"
    return f"a whole {numbers}" if field.annotation is int else f"a {numbers}"


def _text_of(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(str(each) for each in default)
    return "" if default is None else str(default)


def nest_values(given: Mapping[str, str], settings: Iterable[Setting]) -> dict[str, Any]:
    """The given texts as a model takes them: `{"lease_s": "60", "log": {"level": "info"}}`."""
    values: dict[str, Any] = {}
    for setting in settings:
        if setting.env in given:
            inner = values
            for name in setting.path[:-1]:
                inner = inner.setdefault(name, {})
            inner[setting.path[-1]] = given[setting.env]
    return values


def find_problems(error: ValidationError, settings: Iterable[Setting]) -> Iterator[SettingProblem]:
    """What pydantic found, one problem a setting."""
    by_path = {setting.path: setting for setting in settings}
    seen: set[str] = set()
    for each in error.errors(include_url=False, include_input=False):
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, Contradictions):
            yield from cause.problems
            continue
        path = tuple(str(part) for part in each["loc"])
        setting = by_path.get(path[:1]) or by_path[path[:2]]
        if setting.env not in seen:
            seen.add(setting.env)
            yield _problem(setting, cause)


def _problem(setting: Setting, cause: object) -> SettingProblem:
    if isinstance(cause, InvalidValue):
        return SettingProblem(variable=setting.env, rule=cause.rule, hint=cause.hint)
    return SettingProblem(variable=setting.env, rule=f"it is not {setting.accepted}", hint=f"set {setting.accepted}")


def find_unknown_names(given: Iterable[str], settings: Iterable[Setting]) -> Iterator[SettingProblem]:
    """Variables with our prefix that are no settings; any other variable may belong to another program."""
    known = [setting.env for setting in settings]
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name):
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "take it out; .env.example lists every setting"
            yield SettingProblem(variable=name, rule="there is no such setting", hint=hint)

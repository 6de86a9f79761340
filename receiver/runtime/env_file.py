"""The file `.env`.

python-dotenv leaves out what it cannot read, without a word: a secret with an unclosed quote would be no secret, and
the check that it is for would be off. Here each such line is a problem.
"""

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from receiver.config.errors import ConfigError
from receiver.config.problems import SettingProblem

#: The name that a line sets, where one can be made out.
_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]")

#: A line of a value over several lines that looks like the next setting.
_SWALLOWED = re.compile(r"^\s*(?:export\s+)?[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]*=", re.MULTILINE)

_OPEN_QUOTE = re.compile(r"[^=\n]*=\s*([\"'])(?!.*\1)")

_FORM = "write NAME=value, one on each line"


def read_env_file(path: Path) -> tuple[dict[str, str], tuple[SettingProblem, ...]]:
    """Return the variables that a file sets, and what is wrong with it. Without a file there are none.

    Raise ConfigError for a file that cannot be read as a whole.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}, ()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.absolute()} is not UTF-8", hint="save it as UTF-8, or take it away") from error
    except OSError as error:
        problem = f"{path.absolute()} can not be read: {error.strerror}"
        raise ConfigError(problem, hint="let this user read it, or take it away") from error
    bindings = list(parse_stream(StringIO(text)))
    readable = [each for each in bindings if _fault(each) is None]
    values = {each.key: each.value for each in readable if each.key is not None and each.value is not None}
    return values, tuple(_problems(path, bindings))


def _problems(path: Path, bindings: list[Binding]) -> Iterator[SettingProblem]:
    first: dict[str, tuple[int, str | None]] = {}
    for each in bindings:
        line, name = _place(each)
        fault = _fault(each)
        if fault is None and each.key is not None:
            earlier_line, value = first.setdefault(each.key, (line, each.value))
            if value != each.value:
                fault = f"it is set to another value than in line {earlier_line}", "keep one of the two"
        if fault is not None:
            rule, hint = fault
            where = f"{path.name} line {line}"
            yield SettingProblem(variable=f"{where}, {name}" if name else where, rule=rule, hint=hint)


def _place(binding: Binding) -> tuple[int, str | None]:
    """Return the number of a binding's first line that is not blank, and the name that it sets."""
    text = binding.original.string
    blank = len(text) - len(text.lstrip())
    found = _NAME.match(text)
    return binding.original.line + text[:blank].count("\n"), binding.key or (found[1] if found else None)


def _fault(binding: Binding) -> tuple[str, str] | None:
    """Return what is wrong and how to fix it; never a value, which may be a secret."""
    text = binding.original.string.strip()
    if binding.error and _OPEN_QUOTE.match(text.partition("\n")[0]):
        return "its quote is not closed", "close the quote, or leave both out"
    if binding.error:
        return "the line cannot be read", _FORM
    if binding.key is not None and binding.value is None:
        return "there is no = in the line", _FORM
    if binding.value is not None and _SWALLOWED.search(binding.value.partition("\n")[2]):
        return "its quote is closed only behind the next setting", "close the quote in its own line, or leave both out"
    return None

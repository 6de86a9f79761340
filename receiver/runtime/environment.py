"""The variables of this process, from the environment and `.env`, and the settings that they make.

Nothing else reads the environment.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from receiver.config.errors import ConfigError

if TYPE_CHECKING:
    from receiver.config.problems import SettingProblem
    from receiver.config.sections import ShellSettings
    from receiver.config.settings import Settings

DOTENV = Path(".env")

_URL, _KEY = "WHENFINAL_URL", "WHENFINAL_API_KEY"


def read_variables(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV
) -> "tuple[dict[str, str], tuple[SettingProblem, ...]]":
    """Read the environment and the file `.env` of the working directory; the environment wins. Blank is unset.

    Return the variables and what is wrong with the file. `environ` None means the real one, `dotenv` None no file.
    Raise ConfigError for a file that cannot be read as a whole.
    """
    given = _given(environ)
    written, unread = _written(dotenv)
    return {**written, **given}, unread


def _given(environ: Mapping[str, str] | None) -> dict[str, str]:
    real = os.environ if environ is None else environ
    return {name: text for name, text in real.items() if text.strip()}


def _written(dotenv: Path | None) -> "tuple[Mapping[str, str], tuple[SettingProblem, ...]]":
    if dotenv is None or not os.path.lexists(dotenv):
        return {}, ()
    return _read_file(dotenv) if dotenv.is_file() else _read_pipe(dotenv.absolute())


def _read_file(dotenv: Path) -> "tuple[Mapping[str, str], tuple[SettingProblem, ...]]":
    from receiver.runtime.env_file import read_env_file  # noqa: PLC0415 - without such a file it is not needed, and a listing starts quickly

    written, unread = read_env_file(dotenv)
    return {name: text for name, text in written.items() if text.strip()}, unread


@cache
def _read_pipe(dotenv: Path) -> "tuple[Mapping[str, str], tuple[SettingProblem, ...]]":
    """As `_read_file`, once in a process: nothing comes from a pipe a second time."""
    return _read_file(dotenv)


def load_settings(
    environ: Mapping[str, str] | None = None,
    dotenv: Path | None = DOTENV,
    *,
    defaults: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
) -> "Settings":
    """Read the variables as `read_variables` does. Raise ConfigError that names every problem of both.

    What is not set has its value of `defaults`; what is in `instead` has that one, whatever is set.
    """
    from receiver.config.settings import config_error, read_settings  # noqa: PLC0415 - imports pydantic, and a listing starts quickly because it needs the variables alone

    variables, unread = read_variables(environ, dotenv)
    read = read_settings({**(defaults or {}), **variables, **(instead or {})})
    problems = (*unread, *(read if isinstance(read, tuple) else ()))
    if isinstance(read, tuple) or problems:
        raise config_error(problems)
    return read


def load_shell_settings(url: str | None) -> "ShellSettings":
    """Where a command works; `url` wins over the variable. Raise ConfigError that names every problem.

    A URL of `.env` is used with a key of `.env` alone: in a folder of somebody else it may lead anywhere.
    """
    from receiver.config.settings import config_error, read_shell_settings  # noqa: PLC0415 - imports pydantic, which a listing does not need

    given = _given(None) if url is None else {**_given(None), _URL: url}
    written, unread = _written(DOTENV)
    variables = {**written, **given}
    if _URL in written and _URL not in given:
        if _KEY in given and _KEY not in written:
            problem = f"{_URL}: it stands in .env, and {_KEY} does not, so the key is not sent there"
            raise ConfigError(problem, hint=f"name the service with --url or export {_URL}, or write its key to .env")
        variables = {**given, **written}
    read = read_shell_settings(variables)
    if not isinstance(read, tuple) and (read.url is None or not unread):
        return read
    problems = (*unread, *(read if isinstance(read, tuple) else ()))
    if url is None:
        raise config_error(problems)
    raise config_error([each._replace(variable="--url") if each.variable == _URL else each for each in problems])


def wants_json_log() -> bool:
    """Whether the log is set to JSON, also where other settings are wrong or `.env` cannot be read."""
    try:
        variables, _ = read_variables()
    except ConfigError:
        variables, _ = read_variables(dotenv=None)
    return variables.get("WHENFINAL_LOG_FORMAT", "").strip().lower() == "json"


def words_to_complete() -> list[str]:
    """The words of a command that the shell completes; empty in any other call."""
    if "_WHENFINAL_COMPLETE" not in os.environ:
        return []
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()


def is_plain(out: TextIO) -> bool:
    """Whether rich would draw on it without styles and with any character of Unicode."""
    is_forced = any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return not is_forced and not out.isatty() and out.encoding.lower().startswith("utf")

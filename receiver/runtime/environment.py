"""The variables of this process, from the environment and `.env`, and the settings that they make.

Nothing else reads the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from receiver.config.errors import ConfigError

if TYPE_CHECKING:
    from receiver.config.problems import SettingProblem
    from receiver.config.settings import Settings

DOTENV = Path(".env")


def read_variables(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV
) -> "tuple[dict[str, str], tuple[SettingProblem, ...]]":
    """Read the environment and the file `.env` of the working directory; the environment wins. Blank is unset.

    Return the variables and what is wrong with the file. `environ` None means the real one, `dotenv` None no file.
    Raise ConfigError for a file that cannot be read as a whole.
    """
    real = os.environ if environ is None else environ
    given = {name: text for name, text in real.items() if text.strip()}
    if dotenv is None or not os.path.lexists(dotenv):
        return given, ()
    from receiver.runtime.env_file import read_env_file  # noqa: PLC0415 - without such a file it is not needed, and a listing starts quickly

    written, unread = read_env_file(dotenv)
    return {**written, **given}, unread


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = DOTENV) -> "Settings":
    """Read the variables as `read_variables` does. Raise ConfigError that names every problem of both."""
    from receiver.config.settings import Settings, config_error, read_settings  # noqa: PLC0415 - imports pydantic, and a listing starts quickly because it needs the variables alone

    variables, unread = read_variables(environ, dotenv)
    read = read_settings(variables)
    if isinstance(read, Settings) and not unread:
        return read
    raise config_error((*unread, *(() if isinstance(read, Settings) else read)))


def wants_json_log() -> bool:
    """Whether the log is set to JSON, also where other settings are wrong or `.env` cannot be read."""
    try:
        variables, _ = read_variables()
    except ConfigError:
        variables, _ = read_variables(dotenv=None)
    return variables.get("WHENFINAL_LOG_FORMAT", "").strip().lower() == "json"


def is_plain(out: TextIO) -> bool:
    """Whether rich would draw on it without styles and with any character of Unicode."""
    is_forced = any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return not is_forced and not out.isatty() and out.encoding.lower().startswith("utf")

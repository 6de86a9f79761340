"""Every command and route that a page names is there, takes the options that the page gives, and suits every shell."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from receiver.cli.command_list import COMMANDS
from receiver.cli.program import build
from receiver.web.routes import ROUTES
from tests.docs.pages import ROOT, fences, pages, without_fences

TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages()}
EVERY_PAGE = pytest.mark.parametrize("page", TEXTS)

BIN = Path(sys.executable).parent
_INLINE = re.compile(r"`([^`\n]+)`")
_ROUTE = re.compile(r"\b(GET|POST|PATCH|DELETE) (/(?:v1|callbacks|healthz|readyz|openapi)[^\s`?,]*)")
_ENDS = {"|", ">", "<", ";", "&&"}
_OURS = ("whenfinal", "pip", "export", "curl", "./scripts", "scripts/", ".venv/", "uvicorn")
#: What every machine with a shell and curl has, before our own programs.
_EVERYWHERE = {".", "curl", "echo", "export"}
#: What those have who deploy it; the page says which of these ran.
_DEPLOYING = {
    "cd",
    "cp",
    "createdb",
    "docker",
    "install",
    "journalctl",
    "kubectl",
    "mv",
    "pg_dump",
    "pg_restore",
    "python3",
    "systemctl",
    "systemd-run",
    "useradd",
}
#: Characters that zsh or bash replace, or take for a comment, where they stand unquoted.
_SPECIAL = re.compile(r"[*?#!(){}^~]|\[|\]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


def _whole_command_line() -> TyperGroup:
    found = get_command(build([word for words, *_ in COMMANDS for word in words.split()]))
    assert isinstance(found, TyperGroup)
    return found


WHENFINAL = _whole_command_line()


def _shell_lines(text: str) -> list[str]:
    joined = (body.replace("\\\n", " ") for body in fences(text, "sh"))
    return [line for body in joined for line in body.splitlines() if line.strip()]


def _inline_lines(text: str) -> list[str]:
    return [code for code in _INLINE.findall(without_fences(text)) if code.startswith(_OURS)]


def _calls(line: str) -> Iterator[list[str]]:
    """The arguments of each `whenfinal` in a line."""
    words = shlex.split(line, posix=True)
    for place, word in enumerate(words):
        is_program = place == 0 or words[place - 1] in _ENDS or words[place - 1].endswith(";")
        if is_program and word.removeprefix(".venv/bin/").removeprefix("/srv/whenfinal/bin/") == "whenfinal":
            rest = words[place + 1 :]
            end = next((number for number, each in enumerate(rest) if each in _ENDS), len(rest))
            yield rest[:end]


def _check(arguments: Sequence[str]) -> None:
    """Raise TyperException for what the command line would refuse. A command that is only named needs no arguments."""
    found: object = WHENFINAL
    while isinstance(found, TyperGroup) and arguments:
        group, (name, *arguments) = found, arguments
        found = group.get_command(Context(group), name)
        assert found is not None, f"no command {name}"
    if arguments:
        assert isinstance(found, TyperCommand)
        found.make_context(found.name, list(arguments))


@EVERY_PAGE
def test_every_command_is_there_and_takes_its_arguments(page: str) -> None:
    for line in _shell_lines(TEXTS[page]) + _inline_lines(TEXTS[page]):
        for arguments in _calls(line):
            _check(arguments)


@EVERY_PAGE
def test_every_shell_line_means_the_same_in_zsh(page: str) -> None:
    for line in _shell_lines(TEXTS[page]):
        assert not _SPECIAL.search(_QUOTED.sub("", line)), line
    for line in _inline_lines(TEXTS[page]):
        assert not re.search(r"[\[\]]", _QUOTED.sub("", line)), line


@EVERY_PAGE
def test_every_program_of_a_shell_line_is_there_after_the_install(page: str) -> None:
    for line in _shell_lines(TEXTS[page]):
        for part in re.split(r"\|", _QUOTED.sub("", line)):
            assert _is_there(part.split()[0]) or (page.endswith("deploying.md") and part.split()[0] in _DEPLOYING), line


def _is_there(program: str) -> bool:
    if program.removeprefix("./").startswith("scripts/"):
        return (ROOT / program).is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}
    name = program.removeprefix(".venv/bin/").removeprefix("/srv/whenfinal/bin/")
    in_environment = name in {"python", "pip", *project["scripts"], *required} and (BIN / name).exists()
    return in_environment or program in _EVERYWHERE


@EVERY_PAGE
def test_an_install_is_one_from_the_checkout(page: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    accepted = {"pip install .", "pip install ./submitter", *(f"pip install '.[{extra}]'" for extra in extras)}
    assert set(re.findall(r"pip install [^`\n]+", TEXTS[page])) <= accepted


@EVERY_PAGE
def test_every_route_that_a_page_names_is_there(page: str) -> None:
    known = {(route.method, _form(route.path)) for route in ROUTES}
    for method, path in _ROUTE.findall(without_fences(TEXTS[page])):
        assert (method, _form(path)) in known, f"{method} {path}"


def _form(path: str) -> str:
    """A path with its variable parts made equal: `{id}`, `ID`, `tsk_...`."""
    return re.sub(r"/(\{[^}]*\}|[A-Z]+|[a-z]+_\.\.\.)", "/*", path)


@pytest.mark.parametrize(
    "line", ["whenfinal nothing", "whenfinal tasks list --state unheard", "whenfinal serve --prot 1"]
)
def test_a_wrong_command_is_seen(line: str) -> None:
    with pytest.raises((AssertionError, TyperException)):
        _check(next(_calls(line)))


@pytest.mark.parametrize("line", ["pip install .[postgres]", "whenfinal serve # all", "curl http://a/?wait=60"])
def test_a_line_that_zsh_reads_otherwise_is_seen(line: str) -> None:
    assert _SPECIAL.search(_QUOTED.sub("", line))

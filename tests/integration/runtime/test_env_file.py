"""The file `.env`: what it sets, and that no line of it is lost without a word."""

import os
from pathlib import Path

import pytest

from receiver.config.errors import ConfigError
from receiver.runtime.env_file import read_env_file
from receiver.runtime.environment import load_settings

SECRET = "sk-abcdef0123456789"

BASE = f"WHENFINAL_PUBLIC_URL=https://hooks.example.com\nHIAPI_API_KEY={SECRET}\n"


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "line",
    [
        f"HIAPI_WEBHOOK_SECRET={SECRET}",
        f'HIAPI_WEBHOOK_SECRET="{SECRET}"',
        f"HIAPI_WEBHOOK_SECRET='{SECRET}'",
        f"export HIAPI_WEBHOOK_SECRET={SECRET}",
        f"  HIAPI_WEBHOOK_SECRET = {SECRET}  # from the console",
        f'HIAPI_WEBHOOK_SECRET="{SECRET}" # a comment',
        f"# a comment\n\nHIAPI_WEBHOOK_SECRET={SECRET}",
        f"HIAPI_WEBHOOK_SECRET={SECRET}\nHIAPI_WEBHOOK_SECRET={SECRET}",
        f'OTHER_PEM="-----BEGIN\nMIIBabc\n-----END"\nHIAPI_WEBHOOK_SECRET={SECRET}',
    ],
)
@pytest.mark.parametrize("form", ["plain", "BOM", "CRLF", "no end"])
def test_a_line_that_can_be_read_is_read(tmp_path: Path, line: str, form: str) -> None:
    text = {"plain": line + "\n", "BOM": "\ufeff" + line, "CRLF": line.replace("\n", "\r\n") + "\r\n", "no end": line}
    values, problems = read_env_file(_file(tmp_path, text[form]))
    assert (values["HIAPI_WEBHOOK_SECRET"], problems) == (SECRET, ())


@pytest.mark.parametrize(
    ("line", "named", "words"),
    [
        (f'HIAPI_WEBHOOK_SECRET="{SECRET}', ", HIAPI_WEBHOOK_SECRET", "quote is not closed"),
        (f"HIAPI_WEBHOOK_SECRET='{SECRET}", ", HIAPI_WEBHOOK_SECRET", "quote is not closed"),
        (f"HIAPI_WEBHOOK_SECRET='{SECRET}\"", ", HIAPI_WEBHOOK_SECRET", "quote is not closed"),
        (f'export HIAPI_WEBHOOK_SECRET="{SECRET}', ", HIAPI_WEBHOOK_SECRET", "quote is not closed"),
        (f'HIAPI_WEBHOOK_SECRET="{SECRET}" more', ", HIAPI_WEBHOOK_SECRET", "cannot be read"),
        (f"HIAPI_WEBHOOK_SECRET: {SECRET}", ", HIAPI_WEBHOOK_SECRET", "cannot be read"),
        (f"HIAPI WEBHOOK SECRET={SECRET}", "", "cannot be read"),
        (f"set HIAPI_WEBHOOK_SECRET={SECRET}", "", "cannot be read"),
        (f"={SECRET}", "", "cannot be read"),
        ("HIAPI_WEBHOOK_SECRET", ", HIAPI_WEBHOOK_SECRET", "no = in the line"),
        (f'HIAPI_WEBHOOK_SECRET="{SECRET}\nHIAPI_BASE_URL="', ", HIAPI_WEBHOOK_SECRET", "behind the next setting"),
        (f"HIAPI_API_KEY={SECRET}x", ", HIAPI_API_KEY", "another value than in line 2"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_line_that_would_be_lost_stops_the_start(tmp_path: Path, line: str, named: str, words: str, end: str) -> None:
    path = _file(tmp_path, BASE + "# next\n\n" + line + end)
    with pytest.raises(ConfigError) as raised:
        load_settings({}, path)
    assert str(raised.value).startswith(f".env line 5{named}: ")
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.hint


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = _file(tmp_path, BASE + "nonsense here\nHIAPI_WEBHOOK_SECRET='abc\nWHENFINAL_LEASE_S=x\nWHENFINAL_OTHER=1\n")
    with pytest.raises(ConfigError) as raised:
        load_settings({"WHENFINAL_SECRET_KEYS": f'"{SECRET}"'}, path)
    for words in ("line 3:", "line 4, HIAPI_WEBHOOK_SECRET", "WHENFINAL_LEASE_S", "WHENFINAL_OTHER", "SECRET_KEYS"):
        assert words in str(raised.value), words
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfeA\0=\0b\0", b"A=caf\xe9\n"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_settings({}, _file(tmp_path, content))


def test_no_file_and_an_empty_one_set_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == ({}, ())
    assert read_env_file(_file(tmp_path, "")) == ({}, ())
    assert read_env_file(_file(tmp_path, "\ufeff\n\n# only this\n")) == ({}, ())


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    """Secret managers offer the file as a named pipe."""
    os.mkfifo(tmp_path / ".env")
    if os.fork() == 0:
        (tmp_path / ".env").write_text("A_B=c\n")
        os._exit(0)
    assert read_env_file(tmp_path / ".env") == ({"A_B": "c"}, ())
    os.wait()

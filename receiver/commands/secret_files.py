"""A secret from a file or a pipe: on the command line every user of the machine could read it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from receiver.commands.console import USAGE, CommandFailed

LONGEST = 1_024  # bytes that are read; a secret has about a hundred

SecretFile = Annotated[
    str | None,
    typer.Option("--secret-file", metavar="FILE", help="Holds the secret, whsec_…; - is stdin. None: one is made."),
]


def read_secret(file: str | None) -> str | None:
    """Raise CommandFailed, whose words hold nothing of the file, unless it is one line of text."""
    if file is None:
        return None
    try:
        text = _content(file).decode("ascii").strip()
    except OSError as error:
        raise CommandFailed(f"{file} can not be read: {error.strerror}", status=USAGE) from error
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LONGEST or not text.isprintable():
        raise CommandFailed(f"{file} does not hold a secret; write whsec_… in it and nothing else", status=USAGE)
    return text


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(LONGEST + 1)
    with Path(file).open("rb") as opened:
        return opened.read(LONGEST + 1)

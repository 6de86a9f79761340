"""The exit status of every outcome, and the lines of every error.

0: success. 1: a problem of the tasks, the ledger or the network. 2: wrong usage or settings. 130: interrupted.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from receiver.cli.console import INTERRUPTED, USAGE, WRONG, CommandFailed, complain, give_up_errors
from receiver.config.errors import ConfigError
from receiver.store.errors import DatabaseMisconfigured
from submitter.base_error import WhenfinalError


@contextmanager
def told() -> Iterator[None]:
    """Print an error in its lines, and end the process with its status."""
    try:
        yield
    except KeyboardInterrupt:
        complain(["interrupted"])
        sys.exit(INTERRUPTED)
    except WhenfinalError as error:
        complain(lines_of(error))
        sys.exit(status_of(error))
    except BrokenPipeError:
        # Because what is still in the buffer would fail once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(WRONG)
    finally:
        give_up_errors()


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise CommandFailed for bytes that are not UTF-8: no id, address or label has them, and no ledger takes them."""
    for place, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise CommandFailed(f"word {place} of the command is not UTF-8: {argument!r}", status=USAGE) from None


def lines_of(error: WhenfinalError) -> list[str]:
    """A line for each problem."""
    from submitter.errors import InvalidRequest

    if isinstance(error, InvalidRequest):
        return [str(violation) for violation in error.violations]
    if isinstance(error, ConfigError) and "\n" in error.problem:
        return [line.strip() for line in error.problem.splitlines() if line.strip()] + [error.hint]
    return str(error).splitlines() or [type(error).__name__]


def status_of(error: WhenfinalError) -> int:
    if isinstance(error, CommandFailed):
        return error.status
    from submitter.errors import InvalidRequest

    return USAGE if isinstance(error, ConfigError | DatabaseMisconfigured | InvalidRequest) else WRONG

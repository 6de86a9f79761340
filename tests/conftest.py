"""What all tests share.

Properties are tried without a stop-watch: how fast this machine is at the moment is no property of ours.
"""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import postgres
from tests.support.postgres import Databases

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# structlog's own way to draw a traceback shows the variables of every frame, which takes longer than most tests.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

#: What a script starts in the background ignores SIGINT, and so do its children: no command would hear a test's Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Databases on one Postgres for the whole run, started when the first test asks for it."""
    try:
        with postgres.databases() as found:
            yield found
    except postgres.NoServer as error:
        pytest.skip(postgres.no_server(error))

"""An operator's night: each fault is made for real, found, and cured three ways: at the pages, in a shell, over HTTP.

The shell works at the URL of the service, from an empty folder.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.night import Trouble, a_night, a_subscriber
from tests.support.night_acts import ACTS
from tests.support.night_chores import CHORES
from tests.support.night_webhooks import WEBHOOKS

ALL_ACTS = ACTS | CHORES | WEBHOOKS
WAYS = ("page", "shell", "api")


@pytest.fixture(autouse=True)
def _no_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """The log of a night has no traceback, and no request, job or run that failed."""
    yield
    told = "".join(capsys.readouterr())
    sys.stdout.write(told)  # shown with a test that fails
    assert "route=/v1/tasks" in told
    assert [word for word in ("Traceback", "request_failed", "job_failed", "run_failed") if word in told] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("act", ALL_ACTS)
async def test_each_trouble_of_a_night_is_found_and_cured(act: str, way: str, tmp_path: Path) -> None:
    wanted = ALL_ACTS[act]
    settings = dict(wanted.settings)
    async with a_subscriber() as subscriber, a_night(tmp_path, has_page=way == "page", **settings) as night:
        trouble = Trouble(night=night, subscriber=subscriber)
        await wanted.trouble(trouble)
        await getattr(wanted, way)(trouble)
        if wanted.ended is not None:
            await wanted.ended(trouble)
        await night.ends_once(*trouble.tasks, state=wanted.state, is_sent=wanted.is_sent)

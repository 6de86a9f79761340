"""What is written to the log, and what is never written."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from rich.console import Console
from rich.progress import Progress

from receiver.config.sections import LogSettings
from receiver.runtime.log import RedactSecrets, configure_logging

SECRET = "s3cr3t/of-the+account"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """The configured log as JSON lines; the previous configuration comes back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(LogSettings(format="json"), secrets=[SECRET], stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    "said",
    [
        {"note": f"tried {SECRET} twice"},
        {"authorization": "Basic abc"},
        {"api_key": b"bytes"},
        {"headers": [["Authorization", f"Bearer {SECRET}"]]},
        {"call": {"webhook_secret": "any"}},
        {"deep": {"a": {"b": {"c": {"d": {"e": {"f": SECRET}}}}}}},
        {"path": "/callbacks/hiapi/eyJ0.abc.def"},
        {"words": "Bearer eyJ0.abc.def, whsec_c2VjcmV0, wf_0123456789abcdef0123"},
        {"thing": type("Thing", (), {"__repr__": lambda _: SECRET})()},
    ],
)
def test_no_secret_is_written(out: io.StringIO, said: dict[str, Any]) -> None:
    structlog.get_logger("a").warning("said", **said)
    written = out.getvalue()
    secrets = (SECRET, "Basic abc", "bytes", "any", "eyJ0", "c2VjcmV0", "0123456789abcdef")
    assert "[hidden]" in written
    assert not any(secret in written for secret in secrets)


def test_a_traceback_hides_them_too(out: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError:
        structlog.get_logger("a").exception("failed")
    (line,) = lines(out)
    assert "ValueError: invalid literal for int() with base 10: '[hidden]'" in line["exception"]


def test_lines_of_libraries_go_the_same_way(out: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("got %s", SECRET)
    (line,) = lines(out)
    assert (line["event"], line["logger"], line["level"]) == ("got [hidden]", "uvicorn.error", "error")


def test_ordinary_values_are_left_as_they_are(out: io.StringIO) -> None:
    structlog.get_logger("a").info("rate_budget", tokens=3.5, task="tsk_1", ids=["a", "b"], until_ms=7, ok=None)
    (line,) = lines(out)
    assert (line["tokens"], line["task"], line["ids"], line["until_ms"], line["ok"]) == (
        3.5,
        "tsk_1",
        ["a", "b"],
        7,
        None,
    )


def test_a_line_below_the_level_is_not_written(out: io.StringIO) -> None:
    structlog.get_logger("a").debug("detail")
    assert out.getvalue() == ""


def test_people_get_one_readable_line() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(LogSettings(), stream=stream)
    structlog.get_logger("a").info("started", port=8000)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    assert "started" in stream.getvalue()
    assert "port=8000" in stream.getvalue()


UNPRINTABLE = "a\x1b[2J\x7f\x85\x9b31m\u202e\u2066\u200b\u2028\u2029\ufeff\ud800\U000e0041\r\n\tz é 你 ✅"


@contextmanager
def _written(form: str) -> Iterator[io.StringIO]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(LogSettings.model_validate({"format": form}), stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_nothing_of_others_reaches_the_log_raw(form: str) -> None:
    with _written(form) as stream:
        log = structlog.get_logger("a")
        log.warning("refused", reason=UNPRINTABLE, listed=[UNPRINTABLE], named={UNPRINTABLE: UNPRINTABLE})
        log.warning(UNPRINTABLE)
        logging.getLogger("uvicorn.error").error("got %s", UNPRINTABLE)
        try:
            int(UNPRINTABLE)
        except ValueError:
            log.exception("failed", stack=UNPRINTABLE)
    written = stream.getvalue()
    raw = {each for each in written if not each.isprintable()}
    assert raw <= {"\n"}
    assert "é 你 ✅" in written
    begins = "{" if form == "json" else "2"
    assert [line[:1] for line in written.split("\n")[:4]] == [begins] * 4  # each line of the log is one


def test_a_program_reads_the_value_that_was_written() -> None:
    with _written("json") as stream:
        structlog.get_logger("a").warning("refused", reason=UNPRINTABLE)
    assert json.loads(stream.getvalue())["reason"] == UNPRINTABLE


def test_short_texts_are_not_secrets() -> None:
    assert RedactSecrets(["a", ""]).text("a banana") == "a banana"


def test_a_line_goes_to_what_is_standard_error_when_it_is_written(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stderr", before)
    configure_logging(LogSettings(format="json"))
    monkeypatch.setattr("sys.stderr", after)
    structlog.get_logger("a").warning("said")
    assert (before.getvalue(), [line["event"] for line in lines(after)]) == ("", ["said"])


def test_a_line_never_cuts_a_progress_bar(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    configure_logging(LogSettings())
    console = Console(file=terminal, force_terminal=True, width=200)
    with Progress(console=console, auto_refresh=False) as bar:
        bar.add_task("waiting", total=2)
        bar.refresh()
        structlog.get_logger("a").warning("said")
        bar.refresh()
    written = [line for line in terminal.getvalue().replace("\r", "\n").splitlines() if "said" in line]
    assert len(written) == 1
    assert "waiting" not in written[0]

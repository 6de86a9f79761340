"""Tables and sentences of an act on many items: what it would work on, and what it came to."""

from collections.abc import Iterator, Sequence

from receiver.cli.display.listing import Listing, state_cell, table
from receiver.cli.display.times import clock_and_age
from submitter.api_runs import Run, RunPreview

_ENDS = {"stopped": "stopped before its end", "failed": "broken off"}


def preview_parts(preview: RunPreview, what: str) -> Iterator[Listing | str]:
    """Some of what it would work on, and how much that is."""
    if preview.count == 0:
        yield nothing_fits(what)
        return
    yield table(what, "now", rows=[(each.id, each.note) for each in preview.sample])
    yield f"{counted(preview, what)} would be worked on"


def nothing_fits(what: str) -> str:
    return f"no {what} matches"


def counted(preview: RunPreview, what: str) -> str:
    """`12 tasks`, `the newest 500 of more than 1000 tasks`."""
    count = f"more than {preview.count}" if preview.has_more else f"{preview.count}"
    things = f"{count} {what}" if count == "1" else f"{count} {_plural(what)}"
    if preview.at_most is None or preview.count <= preview.at_most:
        return things
    return f"the newest {preview.at_most} of {things}"


def _plural(what: str) -> str:
    return f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"


def run_parts(run: Run, what: str) -> Iterator[Listing | str]:
    """What was said about items, and how many were done."""
    rows = [(note.item, note.words) for note in run.notes]
    if rows:
        yield table(what, "result", rows=rows)
    yield summary(run) if run.done or run.failed or run.state != "finished" else nothing_fits(what)


def summary(run: Run) -> str:
    """`done 12, failed 1`, and why it did not come to its end."""
    of = "" if run.expected is None else f" of {run.expected}"
    text = f"done {run.done}{of}, failed {run.failed}"
    if run.done + run.failed > len(run.notes) and run.failed:
        text += f"; {len(run.notes)} of them are named"
    if run.state in _ENDS:
        text += f"; {_ENDS[run.state]}"
    return f"{text}: {run.last_error}" if run.last_error else text


def runs_table(runs: Sequence[Run], now_ms: int) -> Listing:
    rows = [
        (
            each.id,
            each.kind,
            f"{each.done} of {each.expected}" if each.expected is not None else each.done,
            each.failed or None,
            state_cell(each.state),
            each.actor,
            clock_and_age(each.created_at, now_ms),
            clock_and_age(each.ended_at, now_ms),
            each.last_error,
        )
        for each in runs
    ]
    return table("run", "act", "done", "failed", "state", "by", "started", "ended", "error", rows=rows)

"""The demo's progress and its result, for a terminal, a log and a program."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from receiver.cli.demo.shown import Shown, shown_lines
from receiver.cli.demo.tally import KINDS, Finding, Row, Tally

LINE_EVERY_S = 3.0  # where no terminal shows bars

BAR = 24  # columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one provider's tasks are."""

    provider: str
    wanted: int
    submitted: int
    ended: int
    events: int
    webhooks: int


class Screen:
    """Shows the progress: bars on a terminal, a line every few seconds elsewhere."""

    def __init__(self, out: Console, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._started_s = clock()
        self._next_line_s = 0.0

    def say(self, text: str) -> None:
        self._out.print(text, soft_wrap=True)

    def show(self, part: RenderableType) -> None:
        self._out.print(part, soft_wrap=isinstance(part, str) and not self._out.is_terminal)

    def restart_clock(self) -> None:
        """Called when the set-up is over."""
        self._started_s = self._clock()
        self._next_line_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started_s

    def live(self, progress: Callable[[], Sequence[Progress]]) -> AbstractContextManager[object]:
        """While it is open, a terminal shows the progress."""
        if not self._out.is_terminal:
            return nullcontext()
        return Live(
            get_renderable=lambda: draw(progress(), self.elapsed_s),
            console=self._out,
            refresh_per_second=5,
            transient=True,
        )

    def tick(self, progress: Sequence[Progress]) -> None:
        """Without a terminal, print a line when the next one is due."""
        if not self._out.is_terminal and self.elapsed_s >= self._next_line_s:
            self._next_line_s = self.elapsed_s + LINE_EVERY_S
            self._out.print(progress_line(progress, self.elapsed_s))


def draw(progress: Sequence[Progress], elapsed_s: float) -> RenderableType:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for heading in ("provider", "", "submitted", "", "ended", "events", "webhooks"):
        table.add_column(heading, justify="left" if heading in {"provider", ""} else "right", no_wrap=heading != "")
    for each in progress:
        table.add_row(
            each.provider,
            _bar(each.submitted, each.wanted),
            f"{each.submitted}/{each.wanted}",
            _bar(each.ended, each.wanted),
            f"{each.ended}/{each.wanted}",
            str(each.events),
            str(each.webhooks),
        )
    return Group(table, f"{elapsed_s:.0f} s")


def progress_line(progress: Sequence[Progress], elapsed_s: float) -> str:
    wanted = sum(each.wanted for each in progress)
    submitted, ended = sum(each.submitted for each in progress), sum(each.ended for each in progress)
    events, webhooks = sum(each.events for each in progress), sum(each.webhooks for each in progress)
    return (
        f"{elapsed_s:5.1f} s  submitted {submitted}/{wanted}, ended {ended}/{wanted}, "
        f"events {events}, webhooks {webhooks}"
    )


def _bar(done: int, wanted: int) -> ProgressBar:
    return ProgressBar(total=max(1, wanted), completed=done, width=BAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    tally: Tally
    seconds: float
    #: The faults that were met, and how often.
    faults: Mapping[str, int]
    shown: Shown
    #: What else is wrong.
    remarks: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.tally.wrong and not self.remarks


#: Each count of a row under its heading, whose lines are as short as numbers, so that all fit in 80 columns.
COLUMNS: Mapping[str, Callable[[Row], int]] = {
    "tasks": lambda row: row.submitted,
    "succ.": lambda row: row.succeeded,
    "failed": lambda row: row.failed,
    "by call-\nback": lambda row: row.by_callback,
    "by\npoll": lambda row: row.by_polling,
    "events\npages": lambda row: row.events,
    "events\nstream": lambda row: row.streamed,
    "web-\nhooks": lambda row: row.webhooks,
    "failures\nalone": lambda row: row.failures,
    "by\nnotify": lambda row: row.notified,
}

#: The heading of each kind of finding. The first of them is not wrong.
HEADINGS: Mapping[str, str] = {
    "contradictions": "contradictions on record, without a second event",
    "lost": "lost",
    "doubled": "doubled",
    "paid_twice": "paid twice",
    "unwanted": "sent without a subscription",
    "disagreeing": "reported otherwise than it is",
    "unrecorded": "contradictions that are not on record",
}


def table_of(rows: Sequence[Row]) -> Table:
    """A line for each provider, and one for all of them."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0), header_style="bold")
    table.show_footer = True
    counts = {heading: [count_of(row) for row in rows] for heading, count_of in COLUMNS.items()}
    table.add_column("provider", footer="all", no_wrap=True)
    for heading, column in counts.items():
        table.add_column(heading, footer=str(sum(column)), justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        table.add_row(row.provider, *(str(column[number]) for column in counts.values()))
    return table


def closing(result: Result) -> list[RenderableType]:
    """The end of the demo; the verdict is the last line."""
    met = ", ".join(f"{name} {count}" for name, count in result.faults.items())
    parts: list[RenderableType] = [table_of(result.tally.rows), f"met on the way: {met}"]
    parts += ["shown:", *(f"  {line}" for line in shown_lines(result.shown))]
    for kind, heading in HEADINGS.items():
        parts += _listed(heading, result.tally.findings[kind])
    parts += [f"wrong: {remark}" for remark in result.remarks]
    return [*parts, f"in {result.seconds:.1f} s after set-up", result.tally.verdict]


def _listed(heading: str, findings: Sequence[Finding]) -> list[RenderableType]:
    return [f"{heading}:", *(f"  {finding}" for finding in findings)] if findings else []


def result_view(result: Result) -> dict[str, Any]:
    """For programs."""
    return {
        "providers": [asdict(row) for row in result.tally.rows],
        **{kind: [asdict(finding) for finding in result.tally.findings[kind]] for kind in KINDS},
        "troubles": dict(result.faults),
        "shown": asdict(result.shown),
        "remarks": list(result.remarks),
        "seconds": round(result.seconds, 1),
        "verdict": result.tally.verdict,
    }

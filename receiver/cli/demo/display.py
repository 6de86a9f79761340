"""How far the demo is, and what it came to, for a terminal, a log and a program."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from receiver.cli.demo.tally import Finding, Row, Shown, Tally, shown_lines

LINE_EVERY_S = 3.0  # where nobody's terminal shows bars

BAR = 24  # columns

ROOMY = 100  # columns from which headings have their space


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A provider's tasks at one moment."""

    provider: str
    wanted: int
    submitted: int
    ended: int
    events: int
    webhooks: int


class Screen:
    """Bars on a terminal, a line every few seconds elsewhere. `look` tells how things stand."""

    def __init__(self, out: Console, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock
        self._started_s = clock()
        self._next_line_s = 0.0

    def say(self, text: str) -> None:
        self._out.print(text, soft_wrap=True)

    def show(self, part: RenderableType) -> None:
        self._out.print(part, soft_wrap=isinstance(part, str) and not self._out.is_terminal)

    @property
    def width(self) -> int:
        return self._out.width

    def restart_clock(self) -> None:
        """Set-up is over."""
        self._started_s = self._clock()
        self._next_line_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started_s

    def watching(self, look: Callable[[], Sequence[Standing]]) -> AbstractContextManager[object]:
        """While it is open, a terminal shows how things stand."""
        if not self._out.is_terminal:
            return nullcontext()
        return Live(
            get_renderable=lambda: draw(look(), self.elapsed_s),
            console=self._out,
            refresh_per_second=5,
            transient=True,
        )

    def tick(self, standings: Sequence[Standing]) -> None:
        """Elsewhere, a line if one is due."""
        if not self._out.is_terminal and self.elapsed_s >= self._next_line_s:
            self._next_line_s = self.elapsed_s + LINE_EVERY_S
            self._out.print(line(standings, self.elapsed_s))


def draw(standings: Sequence[Standing], elapsed_s: float) -> RenderableType:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for heading in ("provider", "", "submitted", "", "ended", "events", "webhooks"):
        table.add_column(heading, justify="left" if heading in {"provider", ""} else "right", no_wrap=heading != "")
    for each in standings:
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


def line(standings: Sequence[Standing], elapsed_s: float) -> str:
    wanted, submitted, ended, events, webhooks = (
        sum(getattr(each, name) for each in standings)
        for name in ("wanted", "submitted", "ended", "events", "webhooks")
    )
    return (
        f"{elapsed_s:5.1f} s  submitted {submitted}/{wanted}, ended {ended}/{wanted}, "
        f"events {events}, webhooks {webhooks}"
    )


def _bar(done: int, wanted: int) -> ProgressBar:
    return ProgressBar(total=max(1, wanted), completed=done, width=BAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo came to. `troubles`: what was met on the way, and how often; `remarks`: further things wrong."""

    tally: Tally
    seconds: float
    troubles: Mapping[str, int]
    shown: Shown
    remarks: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.tally.wrong and not self.remarks


LINES: Mapping[str, str] = {
    "submitted": "submitted",
    "succeeded": "succeeded",
    "failed": "failed",
    "by_callback": "completed by callback",
    "by_polling": "completed by polling",
    "events": "events, read by pages",
    "streamed": "events by the stream",
    "webhooks": "webhooks, everything",
    "failures": "webhooks, failures",
    "notified": "webhooks by notify",
}


def table_of(rows: Sequence[Row], width: int) -> Table:
    """A column a provider, so that a terminal of 80 columns holds them all."""
    padding = (0, 0) if width < ROOMY else (0, 1)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding, header_style="bold")
    table.add_column("tasks", no_wrap=True)
    for heading in (*(row.provider for row in rows), "all"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, what in LINES.items():
        counts = [getattr(row, name) for row in rows]
        table.add_row(what, *(str(count) for count in (*counts, sum(counts))))
    return table


def closing(result: Result, width: int) -> list[RenderableType]:
    """The end of the demo; the verdict is the last line."""
    tally = result.tally
    met = ", ".join(f"{name} {count}" for name, count in result.troubles.items())
    parts: list[RenderableType] = [table_of(tally.rows, width), f"met on the way: {met}"]
    parts += ["shown:", *(f"  {line}" for line in shown_lines(result.shown))]
    parts += _listed("contradictions on record, without a second event", tally.contradictions)
    for heading, findings in (
        ("lost", tally.lost),
        ("doubled", tally.doubled),
        ("paid twice", tally.paid_twice),
        ("told to who had not asked", tally.unwanted),
        ("told otherwise than it is", tally.disagreeing),
        ("contradictions that are not on record", tally.unrecorded),
    ):
        parts += _listed(heading, findings)
    parts += [f"wrong: {remark}" for remark in result.remarks]
    return [*parts, f"in {result.seconds:.1f} s after set-up", tally.verdict]


def _listed(heading: str, findings: Sequence[Finding]) -> list[RenderableType]:
    return [f"{heading}:", *(f"  {finding}" for finding in findings)] if findings else []


def result_view(result: Result) -> dict[str, Any]:
    """For programs."""
    kinds = ("lost", "doubled", "paid_twice", "unwanted", "disagreeing", "unrecorded", "contradictions")
    return {
        "providers": [asdict(row) for row in result.tally.rows],
        **{kind: [asdict(finding) for finding in getattr(result.tally, kind)] for kind in kinds},
        "troubles": dict(result.troubles),
        "shown": asdict(result.shown),
        "remarks": list(result.remarks),
        "seconds": round(result.seconds, 1),
        "verdict": result.tally.verdict,
    }

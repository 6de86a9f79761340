"""What is rendered from the code: `python tests/docs/pages.py` writes the tables of the pages, and `.env.example`."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from receiver.config.accounts import prefix_of
from receiver.config.reference import render_env_example, render_settings_table
from receiver.events.model.event import TASK_EVENTS, EventType
from receiver.metrics.registry import OWN_GAUGES, SPECS
from receiver.metrics.snapshot import GAUGES
from receiver.tasks.model.task import Verdict
from receiver.tasks.reporter import SUBMIT_WORDS
from receiver.web.dashboard.model.provider_sheet import POLL_OUTCOMES
from receiver.web.routes import ROUTES, TAGS
from receiver.webhooks.reporter import CODE_CLASSES
from submitter.model import ENDED, Source
from submitter.providers.contract import Capabilities, ModelFamily
from submitter.providers.registry import ADAPTERS, FINDS_BY_OWN_ID
from tests.bench.measurements import measurements, runs
from tests.docs.promises import PROMISES
from tests.docs.provider_promises import PROVIDER_PROMISES
from tests.docs.subscriber_promises import SUBSCRIBER_PROMISES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RECEIVER = ROOT / "receiver" / "README.md"
SUBMITTER = ROOT / "submitter" / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
DOCS = ROOT / "receiver" / "docs"

_BLOCK = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
#: The type of event by which a task ends, made as `task.` and the state.
_TERMINAL = frozenset(f"task.{state}" for state in ENDED)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page that readers meet. Pages of installed packages are not ours."""
    hidden = (ROOT / ".github").rglob("*.md")
    ours = (page for folder in ("receiver", "submitter", "tests") for page in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *hidden, *ours])


def fences(text: str, *languages: str) -> list[str]:
    """The code blocks in these languages, or in any."""
    return [body for language, body in _FENCE.findall(text) if not languages or language in languages]


def without_fences(text: str) -> str:
    return _FENCE.sub("", text)


def blocks(text: str) -> dict[str, str]:
    """What stands between the markers, by name."""
    return {name: body.strip("\n") for name, body in _BLOCK.findall(text)}


def without_blocks(text: str) -> str:
    return _BLOCK.sub("", text)


def accounts_table() -> str:
    """What to set for each provider. Providers that differ in their name only share a row."""
    rows: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for name, adapter in ADAPTERS.items():
        can = adapter.CAPABILITIES
        rows.setdefault((_account_settings(can), _end_reported_by(can)), []).append(name)
    lines = [_account_row(names, suffixes, end) for (suffixes, end), names in rows.items()]
    return "\n".join(["| provider | settings | end reported by |", "| --- | --- | --- |", *lines])


def _account_settings(can: Capabilities) -> tuple[str, ...]:
    named = () if can.default_base_url else ("BASE_URL", "WHENFINAL_PROVIDERS")
    pair = ("SECRET_KEY",) if can.has_key_pair else ()
    secret = ("WEBHOOK_SECRET",) if can.callback_secret else ()
    return ("API_KEY", *pair, *named, *secret)


def _account_row(names: Sequence[str], suffixes: Sequence[str], end: str) -> str:
    prefix = prefix_of(names[0]) if len(names) == 1 else "{NAME}_"
    named = ", ".join(f"`{name}`" for name in names)
    settings = ", ".join(f"`{name if name.startswith('WHENFINAL_') else prefix + name}`" for name in suffixes)
    return f"| {named} | {settings} | {end} |"


def _end_reported_by(can: Capabilities) -> str:
    if can.account_callback:
        return "callback to the account's address, otherwise polling"
    return "callback, otherwise polling" if can.callback else "polling"


def provider_table() -> str:
    rows = [_provider_row(name, adapter.CAPABILITIES) for name, adapter in ADAPTERS.items()]
    head = (
        "| `provider` | platform | `model` in `video` | end reported by | after a lost reply | polled | tasks at once |"
    )
    return "\n".join([head, "| --- " * 7 + "|", *rows])


def _provider_row(name: str, can: Capabilities) -> str:
    models = "<br>".join(f"{_names(family)} {_limits(family)}" for family in can.families)
    lost = "`uncertain`, found by our own id" if name in FINDS_BY_OWN_ID else "`uncertain`, never repeated"
    lost = "repeated with its idempotency key" if can.idempotency_s else lost
    polled = f"by learned times, {can.poll.floor_s:g} s apart or more; at most {can.budget.per_s * 60:g} a minute"
    at_once = can.max_in_flight or "no documented limit"
    return (
        f"| `{name}` | {can.title} | {models or 'by `raw`'} | {_end_reported_by(can)} | {lost} | {polled} | {at_once} |"
    )


def _names(family: ModelFamily) -> str:
    return ", ".join(f"`{model}`" for model in family.models)


def _limits(family: ModelFamily) -> str:
    pictures = f"{_pictures(*family.reference_images)}, " if family.reference_images else ""
    optional = " or none" if family.first_frame_optional else ""
    first = f"first frame{optional}, " if family.first_frame else ""
    last = "last frame, " if family.last_frame else ""
    return f"({pictures}{first}{last}{_lengths(family)}{_ratios(family)})"


def _pictures(low: int, high: int) -> str:
    if low == high:
        return "1 picture" if high == 1 else f"{high} pictures"
    return f"{low}–{high} pictures"


def _ratios(family: ModelFamily) -> str:
    if len(family.ratios) == 1:
        return "1 ratio"
    if family.ratios:
        return f"{len(family.ratios)} ratios"
    has_picture = family.first_frame or family.reference_images is not None
    return "ratio of the picture" if has_picture else "ratio of the model"


def _lengths(family: ModelFamily) -> str:
    if family.durations:
        return f"{', '.join(map(str, family.durations))} s, "
    return "" if family.duration_s is None else f"{family.duration_s[0]}–{family.duration_s[1]} s, "


_EVENTS: Mapping[EventType, str] = {
    EventType.SUCCEEDED: "the provider made the files in `outputs`",
    EventType.FAILED: "the provider failed; `error` has its reason",
    EventType.CANCELED: "the provider or an operator canceled it, or an operator took it out of the queue",
    EventType.EXPIRED: "the provider no longer knows the task after its retention; its end was not seen",
    EventType.REFUSED: "a task that was answered 202 was not created: the provider refused it, it waited too long in "
    "the queue, or an operator settled it so",
    EventType.OVERDUE: "its deadline has passed; the end follows",
    EventType.UNCERTAIN: "the reply to its submit was lost; the end follows",
    EventType.SUBSCRIPTION_DISABLED: "a subscription gets no webhooks any more; `task` is null",
    EventType.PROVIDER_PAUSED: "polls or submits of a provider are held back; `task` is null, `provider` says which",
    EventType.PROVIDER_DENIED: "a provider denies our key; `task` is null, `provider` has its words",
    EventType.CALLBACKS_MISSED: "callbacks of a provider do not come, none or too few; `task` is null",
}


def event_table() -> str:
    yes = {True: "yes", False: "no"}
    rows = [
        f"| `{each}` | {_EVENTS[each]} | {yes[each in _TERMINAL]} | {yes[each in TASK_EVENTS]} |" for each in EventType
    ]
    return "\n".join(["| type | means | terminal | by default |", "| --- " * 4 + "|", *rows])


def promise_table(promises: Sequence[tuple[str, str]]) -> str:
    rows = [f"| {words} | `{test}` |" for words, test in promises]
    return "\n".join(["| promise | proved by |", "| --- | --- |", *rows])


def counted_table() -> str:
    """Counters, histograms, and the gauges of a process."""
    rows = [
        f"| `{name}{'' if spec.buckets else '_total'}` | {_labels(spec.labels)} | {spec.about} |"
        for name, spec in SPECS.items()
    ]
    own = [f"| `{name}` | {_labels(labels)} | {about} |" for name, (about, labels) in OWN_GAUGES.items()]
    return "\n".join(["| metric | labels | what |", "| --- | --- | --- |", *rows, *own])


def open_table() -> str:
    rows = [f"| `{name}` | {_labels(labels)} | {about} |" for name, (about, labels) in GAUGES.items()]
    return "\n".join(["| gauge | labels | what |", "| --- | --- | --- |", *rows])


def label_values_table() -> str:
    """The words of labels, from the code that counts them."""
    verdicts = [each for each in Verdict if each is not Verdict.UNUSABLE]  # that is of polls
    words: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("verdict", "whenfinal_callbacks_total", [*verdicts, "thin", "challenge", "rejected"]),
        ("outcome", "whenfinal_submits_total", SUBMIT_WORDS.values()),
        ("kind", "whenfinal_polls_total", ["single", "list"]),
        ("outcome", "whenfinal_polls_total", sorted(POLL_OUTCOMES)),
        ("state", "whenfinal_tasks_final_total", sorted(ENDED)),
        ("by", "whenfinal_tasks_final_total", Source),
        ("outcome", "whenfinal_delivery_attempts_total", ["delivered", "failed", "dead"]),
        ("code_class", "whenfinal_delivery_attempts_total", sorted(CODE_CLASSES)),
    )
    rows = [f"| `{label}` | `{metric}` | {_labels(list(values))} |" for label, metric, values in words]
    return "\n".join(["| label | of | values |", "| --- | --- | --- |", *rows])


def _labels(labels: Sequence[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def routes_table() -> str:
    rows = [
        f"| `{each.method} {each.path}` | {each.scope or ''} | {each.summary} |"
        for each in sorted(ROUTES, key=lambda each: list(TAGS).index(each.tag))
    ]
    return "\n".join(["| route | scope | does |", "| --- " * 3 + "|", *rows])


#: Each table by the name of its markers: its page, and what makes it.
TABLES: Mapping[str, tuple[Path, Callable[[], str]]] = {
    "accounts": (README, accounts_table),
    "events": (DOCS / "webhooks.md", event_table),
    "providers": (SUBMITTER, provider_table),
    "routes": (DOCS / "api.md", routes_table),
    "settings": (DOCS / "settings.md", render_settings_table),
    "counted": (DOCS / "monitoring.md", counted_table),
    "labels": (DOCS / "monitoring.md", label_values_table),
    "open": (DOCS / "monitoring.md", open_table),
    "measurements": (DOCS / "benchmarks.md", lambda: measurements(runs())),
    "promises": (DOCS / "guarantees.md", lambda: promise_table(PROMISES)),
    "provider": (DOCS / "guarantees.md", lambda: promise_table(PROVIDER_PROMISES)),
    "subscriber": (DOCS / "guarantees.md", lambda: promise_table(SUBSCRIBER_PROMISES)),
}


def write() -> None:
    for name, (page, render) in TABLES.items():
        before, opening, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        page.write_text(f"{before}{opening}{render()}\n{closing}{after}", encoding="utf-8")
    (ROOT / ".env.example").write_text(render_env_example(), encoding="utf-8")


if __name__ == "__main__":
    write()

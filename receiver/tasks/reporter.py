"""What is told of submits and ends, after their commit: they are counted, and an end has a line in the log."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from receiver.metrics.counting import Count, Distribution
from receiver.metrics.registry import Metrics
from receiver.metrics.shared_lines import SharedLines
from receiver.metrics.spans import Spans
from receiver.tasks.model.task import IncomingObservation, Recorded, RecordOutcome, Task
from submitter.model import Receipt, Refused, Source, SubmitOutcome, Uncertain

log = structlog.get_logger(__name__)

_Children = tuple[Count, Distribution, Distribution]


#: What became of a submit, as one word for a metric.
SUBMIT_WORDS: Mapping[type[SubmitOutcome], str] = {Receipt: "accepted", Refused: "refused", Uncertain: "uncertain"}


class TaskReporter:
    """One for a process."""

    def __init__(self, metrics: Metrics | None = None, spans: Spans | None = None) -> None:
        self.metrics = metrics or Metrics()
        self.spans = spans or Spans()
        self._children: dict[tuple[str, str, str, bool], _Children] = {}
        self._lines = SharedLines(lambda tasks: log.info("tasks_ended", tasks=tasks))
        self._commit_duration = self.metrics.distribution("whenfinal_commit_duration_seconds")
        self._batch_size = self.metrics.distribution("whenfinal_commit_batch_size")

    def committed(self, batch: Sequence[IncomingObservation], outcomes: Iterable[RecordOutcome], took_s: float) -> None:
        """A batch of callbacks was committed."""
        self._commit_duration.observe(took_s)
        self._batch_size.observe(len(batch))
        self.recorded(batch, outcomes)

    def recorded(self, batch: Iterable[IncomingObservation], outcomes: Iterable[RecordOutcome]) -> None:
        """Tell of the tasks that these observations ended."""
        for incoming, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Recorded) and outcome.event_seq is not None:
                observation = incoming.observation
                self.ended(outcome.task, observation.source, completed_at_ms=observation.completed_at_ms)

    def refused(self, task: Task) -> None:
        """A task ended because its submit was refused."""
        self.ended(task, Source.SUBMIT)

    def submitted(self, provider: str, outcome: SubmitOutcome, took_ms: int) -> None:
        """A POST, with its repeats, came to its outcome."""
        word = SUBMIT_WORDS[type(outcome)]
        label = self.metrics.provider(provider)
        self.metrics.count("whenfinal_submits", label, word).add()
        self.metrics.distribution("whenfinal_submit_duration_seconds", label).observe(max(0, took_ms) / 1000)

    def ended(self, task: Task, by: Source, *, completed_at_ms: int | None = None) -> None:
        """`completed_at_ms`: when it ended by the provider's own clock, where it told that."""
        key = (task.provider, task.state, by, task.callback_expected)
        count, duration, delay = self._children.get(key) or self._make_children(key)
        count.add()
        ended_ms = task.final_ms or 0
        if task.sent_ms is not None and task.sent_ms <= ended_ms:
            duration.observe((ended_ms - task.sent_ms) / 1000)
        if completed_at_ms is not None and completed_at_ms <= ended_ms:
            delay.observe((ended_ms - completed_at_ms) / 1000)
        self._log(task, by)

    def _make_children(self, key: tuple[str, str, str, bool]) -> _Children:
        provider, (_, state, by, expected) = self.metrics.provider(key[0]), key
        made = (
            self.metrics.count("whenfinal_tasks_final", provider, state, by, "true" if expected else "false"),
            self.metrics.distribution("whenfinal_task_duration_seconds", provider, state),
            self.metrics.distribution("whenfinal_detection_delay_seconds", provider, by),
        )
        if provider == key[0]:  # others could be any number
            self._children[key] = made
        return made

    def _log(self, task: Task, by: Source) -> None:
        if not self._lines.may_write():
            words = (task.id, task.provider, task.provider_task_id or "-", task.state, "by", by)
            self._lines.share(" ".join(words))  # a format of these costs twice as much
            return
        log.info(
            "task_ended",
            task=task.id,
            provider=task.provider,
            provider_task=task.provider_task_id,
            state=task.state.value,
            by=by.value,
            event_id=task.final_event,
        )

    def flush(self) -> None:
        """For a clean stop."""
        self._lines.flush()


def tell_failure(about: Mapping[str, str], running: asyncio.Task[Any]) -> None:
    """Write a line for the exception of a submit that no caller is left to get; `about` has the ids known of it."""
    if not running.cancelled() and (error := running.exception()) is not None:
        log.error("submit_failed", exc_info=error, **about)

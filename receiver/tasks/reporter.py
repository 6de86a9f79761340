"""What is told of submits and ends, after their commit: they are counted, and an end has a line in the log.

Ends come in bursts, and a line costs more than everything else that a callback costs. So of each second the first lines
are written in full, and the other tasks of that second share lines, each still with its ids. A killed process may lose
those of its last second; they are in the ledger.
"""

import asyncio
from collections.abc import Iterable

import structlog

from receiver.metrics.counting import Count, Distribution
from receiver.metrics.registry import Metrics
from receiver.tasks.model.task import Recorded, RecordOutcome, Task
from submitter.model import Observation, Receipt, Refused, Source, SubmitOutcome, Uncertain

log = structlog.get_logger(__name__)

MOST_A_SECOND = 10  # lines in full

TOGETHER = 100  # tasks in one line

_Children = tuple[Count, Distribution, Distribution]


class TaskReporter:
    """One for a process."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        self._children: dict[tuple[str, str, str, bool], _Children] = {}
        self._gathered: list[str] = []
        self._written = 0
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def recorded(self, observations: Iterable[Observation], outcomes: Iterable[RecordOutcome]) -> None:
        """Tell of the tasks that these observations ended."""
        for observation, outcome in zip(observations, outcomes, strict=True):
            if isinstance(outcome, Recorded) and outcome.event_seq is not None:
                self.ended(outcome.task, observation.source, completed_at_ms=observation.completed_at_ms)

    def refused(self, task: Task) -> None:
        """A task ended because its submit was refused."""
        self.ended(task, Source.SUBMIT)

    def submitted(self, provider: str, outcome: SubmitOutcome, took_ms: int) -> None:
        """A POST, with its repeats, came to its outcome."""
        word = {Receipt: "accepted", Refused: "refused", Uncertain: "uncertain"}[type(outcome)]
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
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if now_s >= self._until_s:
            self._until_s, self._written = now_s + 1.0, 0
        if self._written < MOST_A_SECOND:
            self._written += 1
            log.info(
                "task_ended",
                task=task.id,
                provider=task.provider,
                provider_task=task.provider_task_id,
                state=task.state.value,
                by=by.value,
                event_id=task.final_event,
            )
            return
        self._gathered.append(f"{task.id} {task.provider} {task.provider_task_id} {task.state} by {by}")
        if self._timer is None:
            self._timer = loop.call_at(self._until_s, self.flush)

    def flush(self) -> None:
        """Write what was gathered; for a clean stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, []
        for start in range(0, len(gathered), TOGETHER):
            log.info("tasks_ended", tasks=", ".join(gathered[start : start + TOGETHER]))

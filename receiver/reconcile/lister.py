"""Poll many tasks by one page of the provider's task list, where the rate budget is too small to poll each of them.

What a page says is checked: no task is answered for by two pages in a row, so that a list which lies costs one poll's
time and no more. A provider whose page was of no use is not listed again for a while. A further page of the list is a
request of its own: it is read if the tasks that are old enough to be on it are worth it.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import structlog

from receiver.reconcile.model.listing import (
    FURTHER_PAGES,
    Listed,
    ListPlan,
    Reading,
    listed,
    open_by_page,
    plan_list,
    reading_of,
)
from receiver.reconcile.model.poll_times import began_ms
from receiver.reconcile.model.report import PollOutcome
from receiver.reconcile.poller import Poller
from receiver.tasks.model.redaction import redact_status
from receiver.tasks.model.task import Task
from submitter.errors import TransportError
from submitter.model import ListPage, Observation, ProviderTaskId, StatusOutcome, TaskId, Throttled, Unavailable
from submitter.provider_calls import send_call
from submitter.providers.registry import LISTS_TASKS
from submitter.providers.schedule import MAX_CLOCK_SKEW_MS

log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0  # a page is worth less than its tasks' own polls once it has taken so long

QUIET_MS = 60_000  # after a page of no use

MAX_REMEMBERED = 10_000  # tasks; of one that was forgotten, a second page may be believed

_ANSWERS = frozenset({Listed.RUNNING, Listed.ENDED})

_LEAST_SHARE = 0.5  # below it a page that showed next to nothing is the last one; two such pages lead there

_NEW_SHARE = 0.3  # how much the last page counts in the share of tasks that were found


@dataclass(slots=True, kw_only=True, eq=False)
class Lister:
    """One for a process."""

    poller: Poller
    #: Unix milliseconds.
    clock: Callable[[], int]
    #: Tasks that a page was to answer for since their last poll.
    _listed: dict[TaskId, Listed] = field(default_factory=dict, init=False)
    _quiet_until_ms: dict[str, int] = field(default_factory=dict, init=False)
    _shares: dict[str, float] = field(default_factory=dict, init=False)
    #: How far each list was read.
    _readings: dict[str, Reading] = field(default_factory=dict, init=False)

    def most_listed(self, provider: str) -> int:
        """How many due tasks are to be looked at for the best page; 0 without a list."""
        adapter = LISTS_TASKS.get(self.poller.providers[provider].account.adapter)
        return 0 if adapter is None else adapter.LIST_PAGE * (1 + FURTHER_PAGES)

    def plan(self, provider: str, due: Sequence[Task]) -> ListPlan | None:
        """The page to read instead of a single poll; None where there is none, or where it is worth less."""
        configured, now_ms = self.poller.providers[provider], self.clock()
        adapter = LISTS_TASKS.get(configured.account.adapter)
        if adapter is None or 0 < self._quiet_until_ms.get(provider, 0) - now_ms <= QUIET_MS:
            return None  # longer is no rest but a clock that was set back
        reach_s = adapter.LIST_REACH_S
        times_of, speed = self.poller.durations.times_of, self.poller.settings.speed
        latest_ms = now_ms + MAX_CLOCK_SKEW_MS  # a span that lies ahead, as of a clock that was set back, has no page
        return plan_list(
            [task for task in due if (began_ms(task) or 0) <= latest_ms],
            adapter,
            worth=lambda task: times_of(task).index_of(task, now_ms),
            share=self._shares.get(provider, 1.0),
            oldest_ms=0 if reach_s is None else now_ms - round(reach_s / speed * 1000),
            now_ms=now_ms,
            listed=self._listed,
            reading=self._readings.get(provider),
        )

    def ended(self, due: Sequence[Task]) -> list[Task]:
        """Those that have ended by a page, whose own polls are still to come."""
        return [task for task in due if self._listed.get(task.id) is Listed.ENDED]

    def polled(self, task: Task) -> None:
        """The task is polled singly now."""
        self._listed.pop(task.id, None)

    async def poll(self, plan: ListPlan) -> list[PollOutcome]:
        """Read the page; one poll for each task of the plan. Raise nothing.

        A task that the page does not show as running is due at once.
        """
        provider, sent_ms = plan.tasks[0].provider, self.clock()
        try:
            polls = await self._poll(provider, plan)
        except Exception:
            log.exception("list_failed", provider=provider)
            self._rest(provider)
            polls = [self.poller.due_singly(task) for task in plan.tasks]
        return [replace(poll, sent_ms=sent_ms) for poll in polls]

    async def _poll(self, provider: str, plan: ListPlan) -> list[PollOutcome]:
        configured = self.poller.providers[provider]
        adapter = LISTS_TASKS[configured.account.adapter]
        sent_ms = self.clock()
        page = await self._page(provider, plan)
        self.poller.count(provider, "list", page, self.clock() - sent_ms)
        if isinstance(page, Throttled):
            return [self.poller.outcome_of(task, page) for task in plan.tasks]
        found: Mapping[ProviderTaskId | None, Observation] = {}
        if isinstance(page, ListPage):
            found = open_by_page(plan, page, adapter, configured.account)
            self._learn(provider, plan, page, found.keys())
        else:
            log.info("not_listed", provider=provider, answer=str(redact_status(page, configured.account.secrets)))
            self._rest(provider)
        return [
            self.poller.due_singly(task)
            if (seen := found.get(task.provider_task_id)) is None
            else self.poller.outcome_of(task, seen)
            for task in plan.tasks
        ]

    def _learn(
        self, provider: str, plan: ListPlan, page: ListPage, running: AbstractSet[ProviderTaskId | None]
    ) -> None:
        """Remember what the page said, how much of what it was to say, and whether the list goes on."""
        reading = reading_of(plan, page, self._readings.pop(provider, None), self.clock())
        if reading is not None:
            self._readings[provider] = reading
        said = [listed(task, page, running, reading) for task in plan.tasks]
        shown = sum(each in _ANSWERS for each in said)
        log.debug("listed", provider=provider, page=plan.page, wanted=len(said), shown=shown, running=len(running))
        before = self._shares.get(provider, 1.0)
        share = self._shares[provider] = before + _NEW_SHARE * (shown / len(said) - before)
        for task, each in zip(plan.tasks, said, strict=True):
            self._remember(task.id, each)
        if shown < 2 and (reading is None or share < _LEAST_SHARE):
            self._rest(provider)

    async def _page(self, provider: str, plan: ListPlan) -> ListPage | StatusOutcome:
        account = self.poller.providers[provider].account
        adapter = LISTS_TASKS[account.adapter]
        until_ms = min(plan.until_ms, self.clock() + 999)  # lists take whole seconds, and the current one has begun
        call = adapter.build_list(account, since_ms=plan.since_ms, until_ms=until_ms, page=plan.page)
        timeout_s = min(TIMEOUT_S, self.poller.settings.timeout_s)
        try:
            reply = await send_call(self.poller.transport, call, account, clock=self.clock, timeout_s=timeout_s)
            return adapter.parse_list(reply)
        except TransportError as error:
            return Unavailable(reason=f"{type(error).__name__}: {error}")

    def _rest(self, provider: str) -> None:
        self._shares.pop(provider, None)
        self._readings.pop(provider, None)
        self._quiet_until_ms[provider] = self.clock() + QUIET_MS

    def _remember(self, task_id: TaskId, said: Listed) -> None:
        self._listed[task_id] = said
        while len(self._listed) > MAX_REMEMBERED:
            del self._listed[next(iter(self._listed))]

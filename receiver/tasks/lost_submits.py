"""Read a provider's list for submits whose answer was lost, page by page within the account's rate budget.

Nothing here changes a task: what is found helps a person to settle it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from receiver.store.accounts import ProviderAccountRepository
from receiver.tasks.model.candidates import (
    Listing,
    Search,
    Window,
    compare,
    merged,
    search_of,
    window_of,
)
from receiver.tasks.model.redaction import redact_status
from receiver.tasks.model.request import request_of
from receiver.tasks.model.task import Task, TaskFilter
from receiver.tasks.operator import describe_no_answer
from receiver.tasks.repository import TaskRepository
from submitter.errors import TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import (
    UNRESOLVED,
    ListedTask,
    ListPage,
    Observation,
    ProviderTaskId,
    StatusOutcome,
    TaskId,
    TaskState,
)
from submitter.provider_calls import query_status, send_call
from submitter.providers import schedule
from submitter.providers.contract import Account, ConfiguredProvider, FindsByOwnId, ListsTasks
from submitter.providers.origins import origin_of, tells_prompt
from submitter.providers.registry import FINDS_BY_OWN_ID, LISTS_TASKS

PAGES_MOST = 20  # of one span of time: 200 tasks at DashScope, 2,000 at HiAPI

PAGES_IN_ALL = 100  # of one provider and one search, however many lost submits there are

PROMPTS_MOST = 20  # candidates that are queried one by one for their prompt

WAIT_MOST_S = 15.0  # before one request, for tokens of the rate budget to come back

TASKS_AT_ONCE = 500  # read from the ledger

#: Called with the provider's name after each page.
OnPage = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoList:
    """The provider documents no list of tasks and no look-up by our own id."""


@dataclass(slots=True, kw_only=True)
class _PageCount:
    left: int = PAGES_IN_ALL


class _Pages(Protocol):
    """What is read page by page."""

    def build_list(self, account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall: ...

    def parse_list(self, reply: HttpReply, /) -> ListPage | StatusOutcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _LookUp:
    """The pages of a look-up of one lost submit by our own id."""

    adapter: FindsByOwnId
    task: Task

    def build_list(self, account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
        return self.adapter.build_lookup(self.task.id, request_of(self.task.request), account, page=page)

    def parse_list(self, reply: HttpReply, /) -> ListPage | StatusOutcome:
        return self.adapter.parse_lookup(reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """One provider's list, for one search."""

    adapter: _Pages
    configured: ConfiguredProvider
    on_page: OnPage
    pages: _PageCount = field(default_factory=_PageCount)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LostSubmits:
    """One for a process."""

    tasks: TaskRepository
    accounts: ProviderAccountRepository
    transport: Transport
    #: Unix milliseconds.
    clock: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    #: How much faster the providers' clocks run than ours.
    speed: float

    async def all_uncertain(self) -> list[Task]:
        """Every task whose submit is uncertain, the newest first."""
        return await self._in_state(TaskState.UNCERTAIN, None)

    async def search(
        self, lost: Sequence[Task], configured: ConfiguredProvider, *, on_page: OnPage = lambda _: None
    ) -> list[Search] | NoList:
        """What the list of one provider shows for its lost submits, in their order. Raise StoreUnavailable.

        Each search says itself when the list could not be read, or not to its end.
        """
        provider, now_ms = configured.account.name, self.clock()
        windows = {task.id: self._window(task, configured, now_ms) for task in lost}
        name = configured.account.adapter
        if name in FINDS_BY_OWN_ID:
            listings = await self._looked_up(FINDS_BY_OWN_ID[name], lost, windows, configured, on_page)
        elif name in LISTS_TASKS:
            listings = await self._listed(LISTS_TASKS[name], lost, windows, configured, on_page)
        else:
            return NoList()
        others = [task for state in sorted(UNRESOLVED) for task in await self._in_state(state, provider)]
        open_tasks = [(task, self._window(task, configured, now_ms)) for task in others]
        return [search_of(task, windows[task.id], listings[task.id], open_tasks) for task in lost]

    async def _looked_up(
        self,
        adapter: FindsByOwnId,
        lost: Sequence[Task],
        windows: Mapping[TaskId, Window],
        configured: ConfiguredProvider,
        on_page: OnPage,
    ) -> dict[TaskId, Listing]:
        """Each by our own id, which the provider repeats."""
        count, found = _PageCount(), {}
        for task in lost:
            pages = _LookUp(adapter=adapter, task=task)
            reader = _Reader(adapter=pages, configured=configured, on_page=on_page, pages=count)
            found[task.id] = await self._read_unknown(reader, windows[task.id], 0)
        return found

    async def _listed(
        self,
        adapter: ListsTasks,
        lost: Sequence[Task],
        windows: Mapping[TaskId, Window],
        configured: ConfiguredProvider,
        on_page: OnPage,
    ) -> dict[TaskId, Listing]:
        reader = _Reader(adapter=adapter, configured=configured, on_page=on_page)
        now_ms = self.clock()
        reach_ms = None if adapter.LIST_REACH_S is None else round(adapter.LIST_REACH_S * 1000 / self.speed)
        oldest_ms = 0 if reach_ms is None else now_ms - reach_ms
        spans = merged(window for window in windows.values() if window.until_ms > oldest_ms)
        read = {span: await self._read_unknown(reader, span, oldest_ms) for span in reversed(spans)}
        listings = {task.id: _listing_of(task, windows[task.id], read, oldest_ms) for task in lost}
        if tells_prompt(configured.account.adapter):
            listings = await self._with_prompts(reader, lost, listings)
        return listings

    def _window(self, task: Task, configured: ConfiguredProvider, now_ms: int) -> Window:
        is_idempotent = configured.adapter.CAPABILITIES.idempotency_s is not None
        return window_of(task, now_ms=now_ms, is_idempotent=is_idempotent)

    async def _in_state(self, state: TaskState, provider: str | None) -> list[Task]:
        found: list[Task] = []
        wanted = TaskFilter(state=state, provider=provider, limit=TASKS_AT_ONCE)
        while True:
            page = await self.tasks.tasks(wanted)
            found += page.items
            if page.next_cursor is None:
                return found
            wanted = replace(wanted, cursor=page.next_cursor)

    async def _read_unknown(self, reader: _Reader, span: Window, oldest_ms: int) -> Listing:
        """The rows of a span that the ledger does not know."""
        listing = await self._read(reader, span, max(span.since_ms, oldest_ms))
        near = [row for row in listing.rows if row.created_at_ms is None or span.covers(row.created_at_ms)]
        ids = [row.provider_task_id for row in near]
        known = await self.tasks.known_ids(reader.configured.account.name, ids)
        return replace(listing, rows=tuple(row for row in near if row.provider_task_id not in known))

    async def _read(self, reader: _Reader, span: Window, since_ms: int) -> Listing:
        rows: dict[ProviderTaskId, ListedTask] = {}
        until_ms = min(span.until_ms, self.clock() + 999)  # lists take whole seconds, and the current one has begun
        number = 1
        problem = f"its list is longer than {PAGES_MOST} pages"
        for _ in range(PAGES_MOST):
            if reader.pages.left == 0:
                problem = f"{PAGES_IN_ALL} pages were read in all; search again for the rest"
                break
            page = await self._page(reader, Window(since_ms=since_ms, until_ms=until_ms), number)
            if isinstance(page, str):
                problem = page
                break
            before = len(rows)
            rows |= {row.provider_task_id: row for row in page.rows}
            # New tasks push older ones to the next page, so a row may come twice; nothing but such rows is the end.
            if not page.has_more or len(rows) == before or any(_is_older(row, since_ms) for row in page.rows):
                problem = ""
                break
            until_ms, number = (until_ms, number + 1) if page.older_than_ms is None else (page.older_than_ms, 1)
        return Listing(rows=tuple(rows.values()), listed=len(rows), problem=problem)

    async def _page(self, reader: _Reader, span: Window, number: int) -> ListPage | str:
        """One page, or why there is none."""
        account = reader.configured.account
        await self._within_budget(reader.configured)
        reader.pages.left -= 1
        call = reader.adapter.build_list(account, since_ms=span.since_ms, until_ms=span.until_ms, page=number)
        try:
            page = reader.adapter.parse_list(await send_call(self.transport, call, account, clock=self.clock))
        except TransportError as error:
            return f"cannot be listed: {type(error).__name__}: {error}"
        if not isinstance(page, ListPage):
            return f"cannot be listed: {describe_no_answer(redact_status(page, account.secrets))}"
        reader.on_page(account.name)
        return page

    async def _with_prompts(
        self, reader: _Reader, lost: Sequence[Task], listings: dict[TaskId, Listing]
    ) -> dict[TaskId, Listing]:
        """A list has no prompts, the answer about one task may: so the few rows that fit are queried."""
        fitting = {row.provider_task_id for task in lost for row in listings[task.id].rows if compare(task, row).fits}
        prompts = {each: await self._prompt(reader.configured, each) for each in sorted(fitting)[:PROMPTS_MOST]}
        return {
            task_id: replace(
                listing,
                rows=tuple(replace(row, prompt=prompts.get(row.provider_task_id, row.prompt)) for row in listing.rows),
            )
            for task_id, listing in listings.items()
        }

    async def _prompt(self, configured: ConfiguredProvider, provider_task_id: ProviderTaskId) -> str | None:
        await self._within_budget(configured)
        try:
            seen, _ = await query_status(self.transport, configured, provider_task_id, clock=self.clock)
        except TransportError:
            return None
        return origin_of(configured.account.adapter, seen).prompt if isinstance(seen, Observation) else None

    async def _within_budget(self, configured: ConfiguredProvider) -> None:
        """Take a token; where there was none, wait until it would have come back."""
        budget = schedule.scaled(configured.adapter.CAPABILITIES.budget, self.speed)
        account = await self.accounts.consume(configured.account.name, budget=budget, count=1, now_ms=self.clock())
        if account.tokens < 0:
            await self.sleep(min(-account.tokens / budget.per_s, WAIT_MOST_S))


def _listing_of(task: Task, window: Window, read: dict[Window, Listing], oldest_ms: int) -> Listing:
    for span, listing in read.items():
        if span.covers(window.since_ms):
            is_cut = task.submit_began_ms < oldest_ms and not listing.problem
            return replace(listing, problem=_OUT_OF_REACH) if is_cut else listing
    return Listing(problem=_OUT_OF_REACH)


_OUT_OF_REACH = "cannot be listed: the list of the provider does not reach back to it"


def _is_older(row: ListedTask, since_ms: int) -> bool:
    return row.created_at_ms is not None and row.created_at_ms < since_ms

"""A request becomes a task: it is checked, stored, posted to the provider, and the outcome is stored.

Nothing is sent before the intent is committed. After that commit the submit runs to its end also when the caller goes
away. `submitter.submit` decides when a POST is repeated, `receiver.tasks.model.request` what a request may hold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any, TypeVar, assert_never

import structlog

from receiver.config.sections import ProvidersSettings
from receiver.store.accounts import ProviderAccountRepository
from receiver.store.errors import StoreUnavailable
from receiver.store.write_groups import WriteGroups
from receiver.tasks.drafting import TaskDrafter
from receiver.tasks.model.queue import HOLDING, PASSING, AccountLimits, NoRoom, PreparedSubmit, limits_of
from receiver.tasks.model.redaction import redact_submit
from receiver.tasks.model.request import LARGE_CHARACTERS, TaskRequest, characters_of, request_of, unseal_body
from receiver.tasks.model.submit_result import (
    RefusedSubmit,
    RepeatedSubmit,
    SubmitResult,
    Submitted,
    replayed_result,
    stored_refusal,
)
from receiver.tasks.model.task import FreeKey, IdempotencyMismatch, Replayed, Task
from receiver.tasks.opening_repository import Opened, Opening
from receiver.tasks.queue_repository import Claimed, LargeRequest, Prepared, QueueRepository, Unsendable, prepared_from
from receiver.tasks.reporter import TaskReporter, tell_failure
from receiver.tasks.submission_repository import StoredReceipt, SubmissionRepository
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import UNRESOLVED, Receipt, Refusal, Refused, SubmitOutcome, TaskState, Uncertain
from submitter.other_path import RememberedPaths
from submitter.provider_calls import send_call
from submitter.providers import schedule
from submitter.providers.contract import Account, ConfiguredProvider, SubmitContext
from submitter.submit import is_repeated_later, post_once, post_with_retries, with_earlier_attempt

log = structlog.get_logger(__name__)

T = TypeVar("T")

KEY_MARGIN_S = 600.0  # our key counts as forgotten this long before the provider says that it forgets it

LARGE_AT_ONCE = 2  # each takes several times its size in memory, and more threads would not be faster

#: Pauses between the tries to store an outcome: a locked database becomes free, a full disk may.
STORE_PAUSES_S = (0.1, 0.5, 2.0, 5.0)


@dataclass(slots=True, kw_only=True, eq=False)
class Submission:
    """One for a process; wait for `drained` before the store closes."""

    submissions: SubmissionRepository
    queue: QueueRepository
    accounts: ProviderAccountRepository
    drafts: TaskDrafter
    providers: Mapping[str, ConfiguredProvider]
    transport: Transport
    settings: ProvidersSettings
    clock: Callable[[], int]
    #: Gives numbers in [0, 1).
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    reporter: TaskReporter = field(default_factory=TaskReporter, repr=False)
    #: When a task with a receipt is polled first, in unix milliseconds.
    first_poll_ms: Callable[[Task], Awaitable[int]]
    #: Called after a commit that made events, and after a task was queued.
    on_events: Callable[[], None]
    on_queued: Callable[[], None]
    _paths: RememberedPaths = field(default_factory=RememberedPaths, init=False, repr=False)
    _large: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, LARGE_AT_ONCE), init=False, repr=False)
    _running: set[asyncio.Task[object]] = field(default_factory=set, init=False, repr=False)
    _openings: WriteGroups[Opening, Opened] = field(init=False, repr=False)
    _receipts: WriteGroups[StoredReceipt, Task] = field(init=False, repr=False)
    #: Providers that accepted a submit, each with the time at which it was sent.
    _accepted: WriteGroups[tuple[str, int], None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        store = self.submissions
        self._openings = WriteGroups(
            lambda group, *, waited_s: store.open_tasks(group, self.clock(), waited_s=waited_s)
        )
        self._receipts = WriteGroups(
            lambda group, *, waited_s: store.store_receipts(group, self.clock(), waited_s=waited_s)
        )
        self._accepted = WriteGroups(self._let_submits_go)

    def check(self, request: TaskRequest) -> None:
        """Raise InvalidRequest with every violation, as `submit` does before any row or network."""
        self.drafts.check(request)

    async def submit(self, request: TaskRequest) -> SubmitResult:
        """Store a task, submit it to the provider if there is room at the account, and store the outcome.

        Return Submitted, also for a task that waits in the queue, or RefusedSubmit; both also for a repeated
        idempotency key, from what is stored. Return IdempotencyMismatch for a key that was used with another request.
        When the ledger is gone after the POST, the task is shown as it was before: submitting.

        Raise InvalidRequest with every violation before any row or network, StoreUnavailable before any POST. A
        cancelled caller changes nothing: the submit runs to its end.
        """
        return await self._run_to_end(self._submit(request), provider=request.provider)

    async def _submit(self, request: TaskRequest) -> SubmitResult:
        """Intent, POST, outcome: each is durable before the next begins."""
        work = self._in_thread if characters_of(request) > LARGE_CHARACTERS else _at_once
        draft = await work(partial(self.drafts.draft, request, self.drafts.begin()))
        limits = self._limits(draft.task.provider)
        while True:
            opened = await self._openings.add(Opening(task=draft.task, limits=limits, request_text=draft.request_text))
            if not isinstance(opened, FreeKey):
                break
            draft = await work(partial(self.drafts.again, opened.task, draft))
        match opened:
            case IdempotencyMismatch():
                return opened
            case Replayed():
                return replayed_result(opened.task, request.notify_secret)
            case Task(state=TaskState.SUBMITTING):
                opened, refused = await self._send(opened, draft.ready, request_text=draft.request_text)
            case _:
                refused = stored_refusal(opened) if opened.state is TaskState.REFUSED else None
        # The stored state counts, because a callback may have reported a task that the reply calls refused.
        if opened.state is TaskState.REFUSED and refused is not None and not opened.acknowledged:
            return RefusedSubmit(task=opened, refused=refused)
        if opened.state is TaskState.QUEUED:
            self.on_queued()
        told = None if opened.notify_secret == request.notify_secret else opened.notify_secret
        return Submitted(task=opened, notify_secret=told)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Pure work of a large request, because all others would wait for it."""
        async with self._large:
            return await asyncio.to_thread(work)

    async def claim_next(self, provider: str) -> Claimed | Unsendable | NoRoom | None:
        """Take the next task of an account out of the queue; see `QueueRepository.claim_next`. Send it afterwards."""
        prepared: Prepared | None = None
        while True:
            claimed = await self.queue.claim_next(
                provider,
                limits=self._limits(provider),
                prepare=self.drafts.prepare,
                start=self.drafts.started,
                now_ms=self.clock(),
                prepared=prepared,
            )
            if not isinstance(claimed, LargeRequest):
                break
            prepared = await self._in_thread(partial(prepared_from, claimed, self.drafts.prepare))
        if isinstance(claimed, Unsendable):
            self.reporter.refused(claimed.task)
            self.on_events()
        return claimed

    def start(self, claimed: Claimed) -> asyncio.Task[tuple[Task, Refused | None]]:
        """Send a task that was claimed. It runs to its end by itself; see `drained`."""
        about = {"task": claimed.task.id, "provider": claimed.task.provider}
        running = self._started_run(self._send(claimed.task, claimed.submit))
        running.add_done_callback(partial(tell_failure, about))
        return running

    async def _send(
        self, task: Task, ready: PreparedSubmit, *, request_text: str | None = None
    ) -> tuple[Task, Refused | None]:
        """POST a task whose intent is stored, and store the outcome. Return the task, and why it was refused if it was.

        A refusal that passes puts the task back into the queue, if it may wait there. `request_text` is for a task that
        was never queued.
        """
        adapter, began_ms = self.providers[task.provider].adapter, self.clock()
        with self.reporter.spans.submit(
            task.id, number=task.submits, provider=task.provider, incoming=ready.traceparent
        ):
            attempt = await post_with_retries(
                partial(self._send_within_budget, ready.call, task.provider, count(1)),
                adapter.parse_receipt,
                is_idempotent=adapter.CAPABILITIES.idempotency_s is not None,
                max_tries=self.settings.submit_tries,
                clock=self.clock,
                sleep=self.sleep,
                repeats_throttled=task.queued_until_ms is None,
            )
        outcome, last_reply = (self._redacted(task, each) for each in (attempt.outcome, attempt.last_reply))
        self.reporter.submitted(task.provider, outcome, self.clock() - began_ms)
        refused = outcome if isinstance(outcome, Refused) else None
        if refused is not None and refused.refusal in PASSING and task.queued_until_ms is not None:
            return await self._requeue(task, refused, request_text), None
        try:
            stored = await self._save_outcome(task, outcome)
        except StoreUnavailable:
            # The POST may be paid for: "try again" is the one answer that the caller must not get.
            return task, None
        await self._learn(task, last_reply, task.submit_began_ms)
        self._wake(stored)
        return stored, refused

    async def _requeue(self, task: Task, refused: Refused, text: str | None) -> Task:
        limits = self._limits(task.provider)

        async def store() -> Task:
            return await self.queue.requeue(task, refused, limits=limits, request_text=text, now_ms=self.clock())

        try:
            queued = await self._patiently(task, store)
        except StoreUnavailable as error:
            # It stays submitting; once its process counts as dead, the reconciler finds out what it is.
            log.warning("refused_submit_not_queued", task=task.id, provider=task.provider, error=str(error))
            return task
        self._wake(queued)
        return queued

    def _wake(self, stored: Task) -> None:
        """Tell of a task that was refused, and wake whoever delivers events, where an outcome may have made one."""
        if stored.state is TaskState.REFUSED:
            self.reporter.refused(stored)
        if stored.state in {TaskState.REFUSED, TaskState.UNCERTAIN}:
            self.on_events()

    def _limits(self, provider: str) -> AccountLimits:
        return limits_of(self.providers[provider], speed=self.settings.speed)

    def is_repeatable(self, task: Task, now_ms: int) -> bool:
        """Whether another POST surely pays for nothing twice: the same account still remembers our key."""
        configured = self.providers.get(task.provider)
        remembered_s = configured.adapter.CAPABILITIES.idempotency_s if configured else None
        if configured is None or remembered_s is None or task.state not in UNRESOLVED:
            return False
        if unseal_body(task.submit_body, configured.account) is None:
            return False
        age_s = (now_ms - task.submit_began_ms) / 1000 * self.settings.speed
        return age_s < remembered_s - KEY_MARGIN_S

    async def repeat(self, task: Task) -> RepeatedSubmit:
        """POST the same bytes under the same key once more and store the outcome.

        Raise ValueError for a task that is not repeatable, StoreUnavailable when the outcome was not stored. A
        cancelled caller changes nothing.
        """
        return await self._run_to_end(self._repeat(task), task=task.id, provider=task.provider)

    async def _repeat(self, task: Task) -> RepeatedSubmit:
        configured = self.providers[task.provider]
        # The stored bytes hold the callback URL of the first POST; a new one would make other bytes.
        body = unseal_body(task.submit_body, configured.account)
        if body is None:
            raise ValueError("a submit is repeated that may not be")
        context = SubmitContext(callback_url=None, idempotency_key=task.id)
        call = configured.adapter.build_submit(request_of(task.request), configured.account, context)
        earlier = await self.submissions.earlier_answer(task.id)
        # One POST outside the rate budget, because the reconciler has taken its token and comes again by itself.
        post = partial(self._post, configured.account, replace(call, body=body))
        sent_ms = self.clock()
        with self.reporter.spans.submit(task.id, number=max(1, task.submits), provider=task.provider):
            answered = await post_once(post, configured.adapter.parse_receipt)
        reply = self._redacted(task, answered)
        outcome = with_earlier_attempt(reply, earlier)
        self.reporter.submitted(task.provider, outcome, self.clock() - sent_ms)
        stored = await self._save_outcome(task, outcome, tell=True)
        await self._learn(task, reply, sent_ms)
        self._wake(stored)
        is_open = isinstance(outcome, Uncertain) and not (
            isinstance(reply, Refused) and reply.refusal is not Refusal.INVALID
        )
        return RepeatedSubmit(task=stored, reply=outcome if is_open else reply)

    async def drained(self) -> None:
        """Wait until no submit is in flight; for a clean stop, after no new ones can come."""
        while self._running:
            await asyncio.wait(self._running)

    def secrets_of(self, task: Task) -> tuple[str, ...]:
        """What a provider may quote of ours and nobody may see: our key, the callback token, the signing secrets."""
        account = self.providers[task.provider].account
        token = (self.drafts.callback_url_of(task) or "").rpartition("/")[2]
        return (*account.secrets, token, task.notify_secret or "")

    def _redacted(self, task: Task, outcome: SubmitOutcome) -> SubmitOutcome:
        return redact_submit(outcome, self.secrets_of(task))

    async def _post(self, account: Account, call: HttpCall) -> HttpReply:
        return await send_call(self.transport, call, account, clock=self.clock, timeout_s=self.settings.timeout_s)

    async def _send_within_budget(self, call: HttpCall, provider: str, number: Iterator[int]) -> HttpReply:
        """Take each POST out of the rate budget that polls use too, where the provider counts submits.

        The first token was taken with the intent. A ledger that cannot do that stops no repeat: at worst the provider
        gets requests a little too fast.
        """
        limits = self._limits(provider)
        if next(number) > 1 and limits.budget.submits_count:
            try:
                await self.accounts.consume(provider, budget=limits.budget, count=1, now_ms=self.clock())
            except StoreUnavailable as error:
                log.warning("rate_budget_not_updated", provider=provider, error=str(error))
        configured = self.providers[provider]
        return await self._paths.send(configured, call, partial(self._post, configured.account))

    async def _save_outcome(self, task: Task, outcome: SubmitOutcome, *, tell: bool = False) -> Task:
        if isinstance(outcome, Receipt) and outcome.may_be_second:
            log.warning("may_be_paid_twice", task=task.id, provider=task.provider, second=outcome.provider_task_id)
        try:
            return await self._patiently(task, partial(self._store_outcome_once, task, outcome, tell=tell))
        except StoreUnavailable:
            # The last place where the provider's id is known; with it a person can settle the task.
            log.critical("outcome_lost", task=task.id, provider=task.provider, outcome=repr(outcome))
            raise

    async def _patiently(self, task: Task, store: Callable[[], Awaitable[Task]]) -> Task:
        """Store an outcome, if need be in several tries, because a lost receipt is paid work without a record."""
        for pause_s in STORE_PAUSES_S:
            try:
                return await store()
            except StoreUnavailable as error:
                log.warning(
                    "outcome_not_stored", task=task.id, provider=task.provider, again_in_s=pause_s, error=str(error)
                )
                await self.sleep(pause_s)
        return await store()

    async def _store_outcome_once(self, task: Task, outcome: SubmitOutcome, *, tell: bool) -> Task:
        now_ms, store = self.clock(), self.submissions
        match outcome:
            case Receipt():
                next_ms = await self.first_poll_ms(task)
                return await self._receipts.add(StoredReceipt(task_id=task.id, receipt=outcome, next_poll_ms=next_ms))
            case Refused():
                return await store.store_refused(task.id, outcome, now_ms, tell=tell)
            case Uncertain():
                repeat_ms = self._repeat_ms(task, outcome, now_ms)
                return await store.store_uncertain(task.id, outcome, next_poll_ms=repeat_ms, now_ms=now_ms)
            case _:
                assert_never(outcome)

    def _repeat_ms(self, task: Task, outcome: Uncertain, now_ms: int) -> int | None:
        """When the reconciler repeats the submit; never where the provider knows no idempotency key.

        Nor where the POST was accepted and its answer could not be read twice.
        """
        capabilities = self.providers[task.provider].adapter.CAPABILITIES
        if capabilities.idempotency_s is None or not is_repeated_later(outcome, earlier_calls=task.submits):
            return None
        return schedule.after_unavailable(
            now_ms,
            capabilities.poll,
            misses=1,
            retry_after_s=outcome.retry_after_s,
            speed=self.settings.speed,
            random=self.random(),
        )

    async def _learn(self, task: Task, reply: SubmitOutcome, sent_ms: int) -> None:
        """What the answer to a submit, sent at `sent_ms`, means for the account's next submits; nothing for polls."""
        try:
            if isinstance(reply, Receipt):
                await self._accepted.add((task.provider, sent_ms))
            elif isinstance(reply, Refused) and reply.refusal in HOLDING:
                limits = self._limits(task.provider)
                await self.queue.hold_submits(task, reply, limits=limits, now_ms=self.clock())
            elif isinstance(reply, Refused) and reply.refusal is Refusal.QUOTA:
                log.error("provider_out_of_quota", provider=task.provider, message=reply.error.message)
        except StoreUnavailable as error:
            log.warning("account_not_updated", provider=task.provider, error=str(error))

    async def _let_submits_go(self, accepted: Sequence[tuple[str, int]], *, waited_s: float) -> list[None]:
        """Of several submits of one account, the last one that was sent says most."""
        for provider, sent_ms in dict(sorted(accepted)).items():
            times = {"sent_ms": sent_ms, "now_ms": self.clock()}
            if await self.accounts.submit_accepted(provider, **times, waited_s=waited_s):
                log.info("provider_takes_submits_again", provider=provider)
        return [None] * len(accepted)

    def _started_run(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def _run_to_end(self, work: Coroutine[Any, Any, T], **about: str) -> T:
        """Run on a task of our own, because a cancelled caller must not stop a POST or the storing of its outcome."""
        running = self._started_run(work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(partial(tell_failure, about))  # no caller is left to get the exception
            raise


async def _at_once(work: Callable[[], T]) -> T:
    return work()

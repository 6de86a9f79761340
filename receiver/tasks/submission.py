"""An order becomes a task: checked, made durable, submitted, and its outcome kept.

Flow. Nothing is sent before the intent is committed, and once it is, the caller's going away stops nothing: the POST
and the keeping of its outcome run on their own. When a POST is repeated is decided in `submitter.submit`, what an order
may hold in `receiver.orders`; what the ledger is told of it is in `receiver.submit_book`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import structlog

from receiver.store.accounts import ProviderAccountRepository
from receiver.store.errors import StoreUnavailable
from receiver.tasks.model.request import (
    TaskRequest,
    find_violations,
    keep_body,
    kept_body,
    kept_request,
    request_hash,
    request_of,
)
from receiver.tasks.model.task import IdempotencyMismatch, Notify, Task
from receiver.tasks.model.timeline import TimelineEntry
from receiver.tasks.submission_recorder import Metered, SubmissionEdges, SubmissionRecorder, Submits
from receiver.webhooks.model.endpoint import NotifyRules, new_webhook_secret
from submitter.errors import InvalidRequest, Violation
from submitter.http.messages import HttpCall
from submitter.model import Refusal, Refused, SubmitOutcome, TaskError, TaskId, TaskState, Uncertain
from submitter.providers import validation
from submitter.providers.contract import Account, Provider, SubmitContext
from submitter.request import RawRequest, VideoRequest
from submitter.submit import REPEATS_START_WITHIN_S, Sends, Submit, SubmitEdges, post, submit

__all__ = [
    "MismatchedKey",
    "RefusedSubmit",
    "Submission",
    "SubmissionEdges",
    "SubmissionRules",
    "SubmitResult",
    "Submitted",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")

SECRET_BYTES = 32  # of a signing secret that is made here

DEAD_SUBMIT_MARGIN_S = 2.0  # beyond the longest that a submit can take; later its process must have died

KEY_MARGIN_S = 600.0  # our key counts as forgotten this long before the provider says it forgets it

_OPEN = frozenset({TaskState.SUBMITTING, TaskState.UNCERTAIN})


class Configured(Protocol):
    """A provider's dialect and our account there."""

    @property
    def adapter(self) -> Provider: ...

    @property
    def account(self) -> Account: ...


class ReadsTimelines(Protocol):
    async def timeline(self, task_id: TaskId, /) -> list[TimelineEntry]: ...


class SubmissionRooms(Protocol):
    """The rooms of the store that a submit enters."""

    @property
    def submissions(self) -> Submits: ...

    @property
    def accounts(self) -> ProviderAccountRepository: ...

    @property
    def tasks(self) -> ReadsTimelines: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRules:
    """`callback_url` makes the address for (provider, our task id, unix seconds); None: no callbacks are asked for."""

    callback_url: Callable[[str, TaskId, int], str] | None
    notify: NotifyRules
    tries: int = 3
    timeout_s: float = 60.0
    deadline_s: int = 1800
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The task exists, may exist (uncertain), or is on its way (submitting, when the same key came twice).

    `notify_secret` is set once, in the answer to the submit that made it. `replayed`: an earlier task of the same key.
    """

    task: Task
    replayed: bool = False
    notify_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmit:
    """Surely nothing was created; the task stays readable."""

    task: Task
    refused: Refused
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchedKey:
    """The idempotency key was used before, for another order; `task_id` is that one's id."""

    task_id: TaskId


SubmitResult = Submitted | RefusedSubmit | MismatchedKey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Submission:
    """One for a process; `drained` before the store closes."""

    store: SubmissionRooms
    providers: Mapping[str, Configured]
    transport: Sends
    rules: SubmissionRules
    edges: SubmissionEdges
    _running: set[asyncio.Task[object]] = field(default_factory=set, init=False, repr=False)

    async def submit(self, order: TaskRequest) -> SubmitResult:
        """Raise InvalidRequest with every violation before any row or network, StoreUnavailable before any POST.

        When the ledger is gone after the POST, the task is shown as it was before: submitting.

        A cancelled caller changes nothing: the submit runs to its end.
        """
        configured, request = self._checked(order)
        draft = self._draft(order, configured)
        context = SubmitContext(callback_url=self._callback_url(draft), idempotency_key=draft.id)
        call = configured.adapter.build_submit(request, configured.account, context)
        if configured.adapter.CAPABILITIES.idempotency_s is not None:
            draft = replace(draft, submit_body=keep_body(call.body, _account_words(configured.account)))
        made = draft.notify.secret if draft.notify and order.notify_secret is None else None
        return await self._shielded(self._send_first(draft, call, made))

    async def repeat(self, task: Task) -> SubmitOutcome:
        """Once more under the same key with the same bytes; what came of it is in the ledger.

        Returns what this POST alone was answered, also where an earlier one keeps the task uncertain.
        """
        return await self._shielded(self._send_again(task))

    def is_repeatable(self, task: Task, now_ms: int) -> bool:
        """Whether another POST surely pays for nothing twice: the same account still remembers our key."""
        configured = self.providers.get(task.provider)
        remembered_s = configured.adapter.CAPABILITIES.idempotency_s if configured else None
        if configured is None or remembered_s is None or task.state not in _OPEN:
            return False
        if kept_body(task.submit_body, _account_words(configured.account)) is None:
            return False
        age_s = (now_ms - task.created_ms) / 1000 * self.rules.speed
        return age_s < remembered_s - KEY_MARGIN_S

    async def drained(self) -> None:
        """Wait until no submit is in flight; for a clean stop, after no new ones can come."""
        while self._running:
            await asyncio.wait(self._running)

    def check(self, order: TaskRequest) -> None:
        """Raise InvalidRequest with every violation, as `submit` does before any row or network."""
        self._checked(order)

    def _checked(self, order: TaskRequest) -> tuple[Configured, VideoRequest | RawRequest]:
        violations = list(find_violations(order, self.rules.notify))
        configured = self.providers.get(order.provider)
        if configured is None:
            accepted = ", ".join(self.providers) or "none: no provider is configured, see whenfinal doctor"
            violations.insert(0, Violation(field="provider", rule="is not configured", accepted=accepted))
        elif order.request is not None:
            violations += validation.find_violations(order.request, configured.adapter.CAPABILITIES)
        if violations or configured is None or order.request is None:
            raise InvalidRequest(violations)
        return configured, order.request

    def _draft(self, order: TaskRequest, configured: Configured) -> Task:
        """The task at its intent. Its next look comes when its process must have died before the receipt."""
        now_ms = self.edges.clock()
        dead_s = REPEATS_START_WITHIN_S + self.rules.timeout_s + DEAD_SUBMIT_MARGIN_S
        return Task(
            id=TaskId(self.edges.new_id("tsk", now_ms)),
            provider=order.provider,
            state=TaskState.SUBMITTING,
            model=order.request.model if order.request else None,
            request=kept_request(order),
            request_hash=request_hash(order),
            labels=dict(order.labels),
            notify=self._notify(order),
            idempotency_key=order.idempotency_key,
            callback_expected=self.rules.callback_url is not None and configured.adapter.CAPABILITIES.callback,
            created_ms=now_ms,
            deadline_ms=now_ms + 1000 * (order.deadline_s or self.rules.deadline_s),
            next_poll_ms=now_ms + round(dead_s * 1000),
        )

    def _notify(self, order: TaskRequest) -> Notify | None:
        if order.notify_url is None:
            return None
        secret = order.notify_secret or new_webhook_secret(self.edges.random_bytes(SECRET_BYTES))
        return Notify(url=order.notify_url, secret=secret)

    def _callback_url(self, task: Task) -> str | None:
        if not task.callback_expected or self.rules.callback_url is None:
            return None
        return self.rules.callback_url(task.provider, task.id, task.created_ms // 1000)

    async def _send_first(self, draft: Task, call: HttpCall, made_secret: str | None) -> SubmitResult:
        book = self._book(draft)
        wanted = self._wanted(draft, call, tries=self.rules.tries, in_doubt=False)
        try:
            sent = await submit(wanted, book, self._edges(Metered(transport=self.transport, book=book)))
        except StoreUnavailable:
            if book.outcome is None:
                raise
            # The POST is out and may be paid: "try again" is the one thing that the caller must not hear.
            return Submitted(task=book.task, notify_secret=made_secret)
        if sent is None:
            return await self._replay(book.earlier)
        # The ledger's word counts: a callback may have spoken of a task that the reply called refused.
        if book.task.state is TaskState.REFUSED and isinstance(book.outcome, Refused):
            return RefusedSubmit(task=book.task, refused=book.outcome)
        return Submitted(task=book.task, notify_secret=made_secret)

    async def _send_again(self, task: Task) -> SubmitOutcome:
        configured = self.providers[task.provider]
        context = SubmitContext(callback_url=None, idempotency_key=task.id)
        alike = configured.adapter.build_submit(request_of(task.request), configured.account, context)
        # The kept bytes hold the callback address of the first time; a new one would be other bytes.
        body = kept_body(task.submit_body, _account_words(configured.account))
        if body is None:
            raise ValueError("a submit is repeated that may not be")
        call = replace(alike, body=body)
        # One try, since the reconciler comes again by itself; it has taken a token of the rate budget, too.
        wanted = self._wanted(task, call, tries=1, in_doubt=True)
        book = self._book(task)
        answer = await post(wanted, self._edges(self.transport))
        await book.keep_answer(answer)
        if isinstance(book.outcome, Uncertain) and isinstance(book.said, Refused):
            # A refusal that ends nothing, since it judges not the bytes, is told as what it came to.
            return book.outcome if book.said.refusal is Refusal.INVALID else book.said
        return answer.said if book.said is None else book.said

    def _book(self, task: Task) -> SubmissionRecorder:
        configured = self.providers[task.provider]
        token = (self._callback_url(task) or "").rpartition("/")[2]
        return SubmissionRecorder(
            task=task,
            submits=self.store.submissions,
            accounts=self.store.accounts,
            can=configured.adapter.CAPABILITIES,
            edges=self.edges,
            speed=self.rules.speed,
            hidden=(configured.account.api_key, token),
        )

    def _wanted(self, task: Task, call: HttpCall, *, tries: int, in_doubt: bool) -> Submit:
        adapter = self.providers[task.provider].adapter
        return Submit(
            call=call,
            parse_receipt=adapter.parse_receipt,
            keyed=adapter.CAPABILITIES.idempotency_s is not None,
            tries=tries,
            timeout_s=self.rules.timeout_s,
            in_doubt=in_doubt,
        )

    def _edges(self, transport: Sends) -> SubmitEdges:
        return SubmitEdges(transport=transport, clock=self.edges.clock, sleep=self.edges.sleep)

    async def _replay(self, earlier: Task | IdempotencyMismatch | None) -> SubmitResult:
        if earlier is None:
            raise ValueError("a submit that was not sent has an earlier task")
        if isinstance(earlier, IdempotencyMismatch):
            return MismatchedKey(task_id=earlier.task_id)
        if earlier.state is not TaskState.REFUSED:
            return Submitted(task=earlier, replayed=True)
        refused = _refused_before(earlier, await self.store.tasks.timeline(earlier.id))
        return RefusedSubmit(task=earlier, refused=refused, replayed=True)

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_tell_failure)  # nobody else is left to hear of it
            raise


def _account_words(account: Account) -> tuple[str, str]:
    """What makes it the same account to the provider: another one remembers none of our keys."""
    return account.base_url, account.api_key


def _tell_failure(running: asyncio.Task[Any]) -> None:
    if not running.cancelled() and (error := running.exception()) is not None:
        log.error("submit_failed", exc_info=error)


def _refused_before(task: Task, notes: list[TimelineEntry]) -> Refused:
    """What the first submit was told. A task that a person settled as refused has no such note: nothing was created."""
    told = next((note.detail for note in reversed(notes) if "refusal" in note.detail), {})
    return Refused(
        refusal=Refusal(told.get("refusal", Refusal.UNAVAILABLE)),
        error=task.error or TaskError(code="refused", message="the provider gave no reason"),
        status=told.get("status"),
    )

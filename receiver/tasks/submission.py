"""A request becomes a task: it is checked, stored, posted to the provider, and the outcome is stored.

Nothing is sent before the intent is committed. After that commit the submit runs to its end also when the caller goes
away. `submitter.submit` decides when a POST is repeated, `receiver.tasks.model.request` what a request may hold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, assert_never

import structlog

from receiver.config.settings import ProvidersSettings
from receiver.store.accounts import ALARM_CHARACTERS, ProviderAccountRepository
from receiver.store.errors import StoreUnavailable
from receiver.store.ids import IdMaker
from receiver.tasks.model.redaction import redact_submit
from receiver.tasks.model.request import (
    TaskRequest,
    request_hash,
    request_of,
    seal_body,
    stored_request,
    unseal_body,
    validate_task,
)
from receiver.tasks.model.task import IdempotencyMismatch, Task
from receiver.tasks.submission_repository import SubmissionRepository
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import InvalidRequest, Violation
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from submitter.model import (
    UNRESOLVED,
    Receipt,
    Refusal,
    Refused,
    SubmitOutcome,
    TaskError,
    TaskId,
    TaskState,
    Uncertain,
)
from submitter.other_path import RememberedPaths
from submitter.providers import schedule, validation
from submitter.providers.contract import ConfiguredProvider, SubmitContext
from submitter.request import RawRequest, VideoRequest
from submitter.submit import (
    REPEATS_START_WITHIN_S,
    is_repeated_later,
    post_once,
    post_with_retries,
    with_earlier_attempt,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

SECRET_BYTES = 32  # of a signing secret that is made here

DEAD_SUBMIT_MARGIN_S = 2.0  # beyond the longest that a submit can take; later its process must have died

KEY_MARGIN_S = 600.0  # our key counts as forgotten this long before the provider says that it forgets it

#: Pauses between the tries to store an outcome: a locked database becomes free, a full disk may.
STORE_PAUSES_S = (0.1, 0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The task exists, may exist (uncertain), or is being submitted (submitting, when the same key came twice)."""

    task: Task
    #: The task belongs to an earlier request with the same idempotency key.
    replayed: bool = False
    #: The signing secret for `notify`, only in the answer to the request for which it was made.
    notify_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmit:
    """Surely nothing was created. The task stays readable."""

    task: Task
    refused: Refused
    replayed: bool = False


SubmitResult = Submitted | RefusedSubmit | IdempotencyMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedSubmit:
    """One more POST of a submit that got no clear answer."""

    #: As stored afterwards.
    task: Task
    #: The answer to this POST alone, also where an earlier POST leaves the task uncertain. Uncertain where the provider
    #: refused this POST as invalid: the earlier one may have created the task. It holds what the earlier ones proved.
    reply: SubmitOutcome


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Submission:
    """One for a process; wait for `drained` before the store closes."""

    submissions: SubmissionRepository
    accounts: ProviderAccountRepository
    providers: Mapping[str, ConfiguredProvider]
    transport: Transport
    settings: ProvidersSettings
    #: Says which URLs a task's own `notify` may name.
    guard: AddressGuard
    #: Makes the callback URL of a provider, our task id and the time in unix seconds; None: no callbacks are wanted.
    callback_url: Callable[[str, TaskId, int], str] | None
    clock: Callable[[], int]
    #: Gives numbers in [0, 1).
    random: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    sleep: Callable[[float], Awaitable[None]]
    new_id: IdMaker
    _paths: RememberedPaths = field(default_factory=RememberedPaths, init=False, repr=False)
    _running: set[asyncio.Task[object]] = field(default_factory=set, init=False, repr=False)

    def check(self, request: TaskRequest) -> None:
        """Raise InvalidRequest with every violation, as `submit` does before any row or network."""
        self._checked(request)

    async def submit(self, request: TaskRequest) -> SubmitResult:
        """Store a task, submit it to the provider and store the outcome.

        Return Submitted or RefusedSubmit; both also for a repeated idempotency key, from what is stored. Return
        IdempotencyMismatch for a key that was used with another request. When the ledger is gone after the POST, the
        task is shown as it was before: submitting.

        Raise InvalidRequest with every violation before any row or network, StoreUnavailable before any POST. A
        cancelled caller changes nothing: the submit runs to its end.
        """
        configured, wanted = self._checked(request)
        draft = self._draft(request, configured)
        context = SubmitContext(callback_url=self._callback_url(draft), idempotency_key=draft.id)
        call = configured.adapter.build_submit(wanted, configured.account, context)
        if configured.adapter.CAPABILITIES.idempotency_s is not None:
            draft = replace(draft, submit_body=seal_body(call.body, configured.account))
        made_secret = draft.notify_secret if request.notify_secret is None else None
        return await self._run_to_end(self._submit(draft, call, made_secret))

    async def _submit(self, draft: Task, call: HttpCall, made_secret: str | None) -> SubmitResult:
        """Intent, POST, outcome: each is durable before the next begins."""
        opened = await self.submissions.open_task(draft, self.clock())  # intent before money
        if isinstance(opened, IdempotencyMismatch):
            return opened
        if opened.id != draft.id:
            return _replayed(opened)
        adapter = self.providers[draft.provider].adapter
        attempt = await post_with_retries(
            partial(self._send_within_budget, call, draft.provider),
            adapter.parse_receipt,
            is_idempotent=adapter.CAPABILITIES.idempotency_s is not None,
            max_tries=self.settings.submit_tries,
            clock=self.clock,
            sleep=self.sleep,
        )
        outcome, last_reply = (self._redacted(draft, each) for each in (attempt.outcome, attempt.last_reply))
        try:
            task = await self._save_outcome(draft, outcome)
        except StoreUnavailable:
            # The POST may be paid for: "try again" is the one answer that the caller must not get.
            return Submitted(task=draft, notify_secret=made_secret)
        await self._pause_provider(draft.provider, last_reply)
        # The stored state counts, because a callback may have reported a task that the reply calls refused.
        if task.state is TaskState.REFUSED and isinstance(outcome, Refused):
            return RefusedSubmit(task=task, refused=outcome)
        return Submitted(task=task, notify_secret=made_secret)

    def is_repeatable(self, task: Task, now_ms: int) -> bool:
        """Whether another POST surely pays for nothing twice: the same account still remembers our key."""
        configured = self.providers.get(task.provider)
        remembered_s = configured.adapter.CAPABILITIES.idempotency_s if configured else None
        if configured is None or remembered_s is None or task.state not in UNRESOLVED:
            return False
        if unseal_body(task.submit_body, configured.account) is None:
            return False
        age_s = (now_ms - task.created_ms) / 1000 * self.settings.speed
        return age_s < remembered_s - KEY_MARGIN_S

    async def repeat(self, task: Task) -> RepeatedSubmit:
        """POST the same bytes under the same key once more and store the outcome.

        Raise ValueError for a task that is not repeatable, StoreUnavailable when the outcome was not stored. A
        cancelled caller changes nothing.
        """
        return await self._run_to_end(self._repeat(task))

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
        post = partial(self._send, replace(call, body=body))
        answered = await post_once(post, configured.adapter.parse_receipt)
        reply = self._redacted(task, answered)
        outcome = with_earlier_attempt(reply, earlier)
        stored = await self._save_outcome(task, outcome)
        await self._pause_provider(task.provider, reply)
        is_open = isinstance(outcome, Uncertain) and not (
            isinstance(reply, Refused) and reply.refusal is not Refusal.INVALID
        )
        return RepeatedSubmit(task=stored, reply=outcome if is_open else reply)

    async def drained(self) -> None:
        """Wait until no submit is in flight; for a clean stop, after no new ones can come."""
        while self._running:
            await asyncio.wait(self._running)

    def _checked(self, request: TaskRequest) -> tuple[ConfiguredProvider, VideoRequest | RawRequest]:
        violations = list(validate_task(request, self.guard))
        configured = self.providers.get(request.provider)
        if configured is None:
            accepted = ", ".join(self.providers) or "none: no provider is configured, see whenfinal doctor"
            violations.insert(0, Violation(field="provider", rule="is not configured", accepted=accepted))
        elif request.request is not None:
            violations += validation.validate_video(request.request, configured.adapter.CAPABILITIES)
        if violations or configured is None or request.request is None:
            raise InvalidRequest(violations)
        return configured, request.request

    def _draft(self, request: TaskRequest, configured: ConfiguredProvider) -> Task:
        """The task at its intent. It is polled only when its process must have died before the outcome."""
        now_ms = self.clock()
        return Task(
            id=TaskId(self.new_id("tsk", now_ms)),
            provider=request.provider,
            state=TaskState.SUBMITTING,
            model=request.request.model if request.request else None,
            request=stored_request(request, (configured.account.api_key, configured.account.webhook_secret or "")),
            request_hash=request_hash(request),
            labels=dict(request.labels),
            notify_url=request.notify_url,
            notify_secret=request.notify_secret or (self._new_secret() if request.notify_url else None),
            idempotency_key=request.idempotency_key,
            callback_expected=self.callback_url is not None and configured.adapter.CAPABILITIES.callback,
            created_ms=now_ms,
            deadline_ms=now_ms + 1000 * (request.deadline_s or self.settings.deadline_s),
            next_poll_ms=now_ms + dead_submit_ms(self.settings.timeout_s),
        )

    def _new_secret(self) -> str:
        return new_webhook_secret(self.random_bytes(SECRET_BYTES))

    def _callback_url(self, task: Task) -> str | None:
        if not task.callback_expected or self.callback_url is None:
            return None
        return self.callback_url(task.provider, task.id, task.created_ms // 1000)

    def secrets_of(self, task: Task) -> tuple[str, ...]:
        """What a provider may quote of ours and nobody may see: our key, the callback token, the signing secrets."""
        account = self.providers[task.provider].account
        token = (self._callback_url(task) or "").rpartition("/")[2]
        return (account.api_key, token, account.webhook_secret or "", task.notify_secret or "")

    def _redacted(self, task: Task, outcome: SubmitOutcome) -> SubmitOutcome:
        return redact_submit(outcome, self.secrets_of(task))

    async def _send(self, call: HttpCall) -> HttpReply:
        return await self.transport.send(call, timeout_s=self.settings.timeout_s)

    async def _send_within_budget(self, call: HttpCall, provider: str) -> HttpReply:
        """Take each POST out of the rate budget that polls use too, where the provider counts submits.

        A ledger that cannot do that stops no submit: at worst the provider gets requests a little too fast.
        """
        budget = self.providers[provider].adapter.CAPABILITIES.budget
        if budget.submits_count:
            scaled = schedule.scaled(budget, self.settings.speed)
            try:
                await self.accounts.consume(provider, budget=scaled, count=1, now_ms=self.clock())
            except StoreUnavailable as error:
                log.warning("rate_budget_not_updated", provider=provider, error=str(error))
        return await self._paths.send(self.providers[provider], call, self._send)

    async def _save_outcome(self, task: Task, outcome: SubmitOutcome) -> Task:
        """Store an outcome, if need be in several tries, because a lost receipt is paid work without a record."""
        if isinstance(outcome, Receipt) and outcome.may_be_second:
            log.warning("may_be_paid_twice", task=task.id, provider=task.provider, second=outcome.provider_task_id)
        for pause_s in STORE_PAUSES_S:
            try:
                return await self._store_outcome_once(task, outcome)
            except StoreUnavailable as error:
                log.warning("outcome_not_stored", task=task.id, again_in_s=pause_s, error=str(error))
                await self.sleep(pause_s)
        try:
            return await self._store_outcome_once(task, outcome)
        except StoreUnavailable:
            # The last place where the provider's id is known; with it a person can settle the task.
            log.critical("outcome_lost", task=task.id, provider=task.provider, outcome=repr(outcome))
            raise

    async def _store_outcome_once(self, task: Task, outcome: SubmitOutcome) -> Task:
        now_ms, store = self.clock(), self.submissions
        match outcome:
            case Receipt():
                next_ms = self._first_poll_ms(task, now_ms)
                return await store.store_receipt(task.id, outcome, next_poll_ms=next_ms, now_ms=now_ms)
            case Refused():
                return await store.store_refused(task.id, outcome, now_ms)
            case Uncertain():
                repeat_ms = self._repeat_ms(task, outcome, now_ms)
                return await store.store_uncertain(task.id, outcome, next_poll_ms=repeat_ms, now_ms=now_ms)
            case _:
                assert_never(outcome)

    def _first_poll_ms(self, task: Task, now_ms: int) -> int:
        return schedule.first_poll_ms(
            now_ms,
            self.providers[task.provider].adapter.CAPABILITIES.poll,
            callback_expected=task.callback_expected,
            speed=self.settings.speed,
            random=self.random(),
        )

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

    async def _pause_provider(self, provider: str, reply: SubmitOutcome) -> None:
        """What a refusal means for the account: too fast pauses it, a denied key also raises an alarm."""
        if not isinstance(reply, Refused):
            return
        now_ms = self.clock()
        message = f"{provider} refuses a submit: {reply.error.code}: {reply.error.message}"[:ALARM_CHARACTERS]
        match reply.refusal:
            case Refusal.THROTTLED:
                until_ms = schedule.throttled_until_ms(
                    now_ms, retry_after_s=reply.retry_after_s, speed=self.settings.speed
                )
                await self._pause(provider, until_ms, reason="throttled", alarm=None)
            case Refusal.DENIED:
                await self._pause(provider, schedule.denied_until_ms(now_ms), reason="denied", alarm=message)
            case Refusal.QUOTA:
                # Tasks that are paid for can still be polled, so nothing pauses.
                log.error("provider_out_of_quota", provider=provider, message=message)
            case Refusal.INVALID | Refusal.UNAVAILABLE:
                pass
            case _:
                assert_never(reply.refusal)

    async def _pause(self, provider: str, until_ms: int, *, reason: str, alarm: str | None) -> None:
        try:
            await self.accounts.pause(provider, until_ms=until_ms, reason=reason, alarm=alarm, now_ms=self.clock())
        except StoreUnavailable as error:
            log.warning("provider_not_paused", provider=provider, error=str(error))

    async def _run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on a task of our own, because a cancelled caller must not stop a POST or the storing of its outcome."""
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_log_failure)  # no caller is left to get the exception
            raise


def dead_submit_ms(timeout_s: float) -> int:
    """How long after its intent a submit without an outcome must have died with its process."""
    return round((REPEATS_START_WITHIN_S + timeout_s + DEAD_SUBMIT_MARGIN_S) * 1000)


def _log_failure(running: asyncio.Task[Any]) -> None:
    if not running.cancelled() and (error := running.exception()) is not None:
        log.error("submit_failed", exc_info=error)


def _replayed(earlier: Task) -> Submitted | RefusedSubmit:
    """The answer to a repeated idempotency key: the same as the first time, from what is stored of it."""
    if earlier.state is not TaskState.REFUSED:
        return Submitted(task=earlier, replayed=True)
    refused = Refused(
        # A task that a person settled as refused has no refusal: nothing was created, and a new key may succeed.
        refusal=Refusal.UNAVAILABLE if earlier.refusal is None else earlier.refusal,
        error=earlier.error or TaskError(code="refused", message="the provider gave no reason"),
        status=earlier.refusal_status,
    )
    return RefusedSubmit(task=earlier, refused=refused, replayed=True)

"""A request becomes the task that is stored, and a stored task the POST that is sent: at once, or out of the queue."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from receiver.config.sections import ProvidersSettings
from receiver.metrics.spans import caller_trace
from receiver.store.ids import IdMaker
from receiver.tasks.model.lifecycle import opened_again
from receiver.tasks.model.queue import PreparedSubmit
from receiver.tasks.model.request import (
    TaskRequest,
    full_request,
    request_hash,
    request_of,
    seal_body,
    stored_request,
    validate_task,
)
from receiver.tasks.model.task import Task
from receiver.webhooks.model.endpoint import new_webhook_secret
from submitter.errors import InvalidRequest, Violation
from submitter.http.address_guard import AddressGuard
from submitter.http.messages import HttpCall
from submitter.model import TaskId, TaskState
from submitter.providers import validation
from submitter.providers.contract import ConfiguredProvider, SubmitContext
from submitter.request import RawRequest, VideoRequest
from submitter.submit import REPEATS_START_WITHIN_S

SECRET_BYTES = 32  # of a signing secret that is made here

DEAD_SUBMIT_MARGIN_S = 2.0  # beyond the longest that a submit can take; later its process must have died


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a draft needs of the clock, of chance and of the request that is being served."""

    task_id: TaskId
    now_ms: int
    #: For the task's own webhooks, where the caller gives none.
    notify_secret: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request as it is stored and sent."""

    task: Task
    wanted: VideoRequest | RawRequest
    ready: PreparedSubmit
    #: The whole request, to be stored with a task that waits.
    request_text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskDrafter:
    """One for a process. It stores and sends nothing."""

    providers: Mapping[str, ConfiguredProvider]
    settings: ProvidersSettings
    #: Says which URLs a task's own `notify` may name.
    guard: AddressGuard
    #: Makes the callback URL of a provider, our task id and the time in unix seconds; None: no callbacks are wanted.
    callback_url: Callable[[str, TaskId, int], str] | None
    clock: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    new_id: IdMaker

    def check(self, request: TaskRequest) -> tuple[ConfiguredProvider, VideoRequest | RawRequest]:
        """Raise InvalidRequest with every violation."""
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

    def begin(self) -> Beginning:
        now_ms = self.clock()
        return Beginning(
            task_id=TaskId(self.new_id("tsk", now_ms)),
            now_ms=now_ms,
            notify_secret=self._new_secret(),
            traceparent=caller_trace.get(),
        )

    def draft(self, request: TaskRequest, begun: Beginning) -> Draft:
        """Raise InvalidRequest with every violation. Pure, so a large request may be drafted in a thread."""
        configured, wanted = self.check(request)
        task = self._task(request, configured, begun)
        ready = self.ready(task, wanted, begun.traceparent)
        is_told = _names_url(ready.call, self.callback_url_of(task))
        task = replace(task, submit_body=ready.submit_body, callback_expected=is_told)
        text = full_request(request, begun.traceparent)
        return Draft(task=task, wanted=wanted, ready=ready, request_text=text)

    def again(self, earlier: Task, draft: Draft) -> Draft:
        """The same draft for the task that its idempotency key stands for. Pure."""
        task = opened_again(earlier, draft.task)
        ready = self.ready(task, draft.wanted, draft.ready.traceparent)
        return replace(draft, task=replace(task, submit_body=ready.submit_body), ready=ready)

    def _task(self, request: TaskRequest, configured: ConfiguredProvider, begun: Beginning) -> Task:
        """The task at its intent, as it is sent at once if there is room."""
        now_ms = begun.now_ms
        wait_s = self.settings.queue_for_s if request.queue_for_s is None else request.queue_for_s
        return self._started(
            Task(
                id=begun.task_id,
                provider=request.provider,
                state=TaskState.SUBMITTING,
                model=request.request.model if request.request else None,
                request=stored_request(request, configured.account.secrets),
                request_hash=request_hash(request),
                labels=dict(request.labels),
                notify_url=request.notify_url,
                notify_secret=request.notify_secret or (begun.notify_secret if request.notify_url else None),
                idempotency_key=request.idempotency_key,
                key_scope=request.key_scope if request.idempotency_key is not None else "",
                priority=request.priority,
                queued_ms=now_ms,
                queued_until_ms=now_ms + 1000 * wait_s if wait_s else None,
                callback_expected=self.callback_url is not None and configured.adapter.CAPABILITIES.callback,
                created_ms=now_ms,
            ),
            now_ms,
        )

    def ready(self, task: Task, wanted: VideoRequest | RawRequest, traceparent: str | None) -> PreparedSubmit:
        """The POST of a task."""
        configured = self.providers[task.provider]
        context = SubmitContext(callback_url=self.callback_url_of(task), idempotency_key=task.id)
        call = configured.adapter.build_submit(wanted, configured.account, context)
        is_repeatable = configured.adapter.CAPABILITIES.idempotency_s is not None
        submit_body = seal_body(call.body, configured.account) if is_repeatable else None
        return PreparedSubmit(call=call, submit_body=submit_body, traceparent=traceparent)

    def prepare(self, task: Task, request_text: str) -> PreparedSubmit:
        """The POST of a queued task. Raise ValueError when the account does not take its request any more."""
        stored = json.loads(request_text)
        wanted = request_of(stored)
        configured = self.providers[task.provider]
        if violations := list(validation.validate_video(wanted, configured.adapter.CAPABILITIES)):
            raise ValueError("; ".join(str(violation) for violation in violations))
        return self.ready(task, wanted, stored.get("traceparent"))

    def started(self, task: Task) -> Task:
        """A task that is sent now. It is polled only when its process must have died before the outcome."""
        return self._started(task, self.clock())

    def _started(self, task: Task, now_ms: int) -> Task:
        deadline_s = task.request.get("deadline_s") or self.settings.deadline_s
        return replace(
            task,
            sent_ms=now_ms,
            deadline_ms=now_ms + 1000 * deadline_s,
            next_poll_ms=now_ms + dead_submit_ms(self.settings.timeout_s),
        )

    def callback_url_of(self, task: Task) -> str | None:
        if not task.callback_expected or self.callback_url is None:
            return None
        return self.callback_url(task.provider, task.id, task.created_ms // 1000)

    def _new_secret(self) -> str:
        return new_webhook_secret(self.random_bytes(SECRET_BYTES))


def _names_url(call: HttpCall, callback_url: str | None) -> bool:
    """Whether a submit tells its provider where to call back, because not every model of one takes a callback URL."""
    token = (callback_url or "").rpartition("/")[2]
    return token != "" and (token in call.url or token.encode() in call.body)


def dead_submit_ms(timeout_s: float) -> int:
    """How long after its intent a submit without an outcome must have died with its process."""
    return round((REPEATS_START_WITHIN_S + timeout_s + DEAD_SUBMIT_MARGIN_S) * 1000)

"""The state of all platforms in one run, and the functions that change it.

Everything runs in one event loop, so there are no locks. `close` ends all background work.
"""

import asyncio
import hashlib
import hmac
import math
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from starlette.requests import Request

from submitter.simulator.config import SimulatorConfig, check_platform
from submitter.simulator.faults import REFUSALS, check_fault_names, draw_faults, faults_in_prompt
from submitter.simulator.rate_limit import RateWindows
from submitter.simulator.records import Records, RefusedSubmit, TaskRecord, ThrottledRequest, milliseconds, task_record
from submitter.simulator.task import (
    DEFAULT_ERROR,
    EXPIRED,
    NEVER,
    Draft,
    Phase,
    Task,
    TaskError,
    View,
    phase_at,
    share_done,
)

#: The headers in which callers send the key of a platform.
KEY_HEADERS = ("authorization", "x-goog-api-key")

UNDOCUMENTED_STATE = "POST_PROCESSING"

_RAN_OUT = TaskError(code=EXPIRED, message="the task ran too long")


def world_of(request: Request) -> "World":
    """Return the state of the simulator that serves this request."""
    world: World = request.app.state.world
    return world


def origin_of(request: Request) -> str:
    """Return scheme and host as the caller wrote them, so that links work for that caller."""
    return f"{request.url.scheme}://{request.url.netloc}"


class Drop(Protocol):
    """Ends the connection of a request without an answer. A protocol, because a Callable names no keyword."""

    def __call__(self, request: Request, *, by_reset: bool) -> None: ...


class UnknownTaskError(LookupError):
    """No platform has a task of this id."""


@dataclass(slots=True, kw_only=True)
class IdempotencyEntry:
    """An idempotency key in use."""

    #: SHA-256 of the first request's body.
    digest: bytes
    since_s: float
    #: None while the first request is still being processed.
    task: Task | None = None


@dataclass(slots=True)
class World:
    """The state of one run."""

    config: SimulatorConfig
    #: Unix seconds.
    now_s: Callable[[], float] = time.time
    #: Ends a connection; without it, requests whose reply is lost hang.
    drop: Drop | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    refused: list[RefusedSubmit] = field(default_factory=list)
    throttled: list[ThrottledRequest] = field(default_factory=list)
    keys_leaked: int = 0
    idempotency: dict[str, IdempotencyEntry] = field(default_factory=dict)
    windows: RateWindows = field(init=False)
    #: By platform; at first those of the configuration.
    account_callback_urls: dict[str, str] = field(init=False)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _plans: dict[str, deque[frozenset[str]]] = field(default_factory=dict)
    _arrivals: dict[str, int] = field(default_factory=dict)
    _refused_by_prompt: set[bytes] = field(default_factory=set)
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _client: httpx.AsyncClient | None = None

    def __post_init__(self) -> None:
        self.windows = RateWindows(self.config)
        self.account_callback_urls = dict(self.config.account_callback_urls)

    def random(self, purpose: str, platform: str) -> random.Random:
        """Return random numbers for the current submit at `platform`, independent of the other platforms."""
        return random.Random(f"{self.config.seed}/{platform}/{self._arrivals.get(platform, 0)}/{purpose}")

    def plan(self, platform: str, faults: Iterable[Iterable[str]]) -> None:
        """Set the faults of the next submits at `platform`, one list each.

        An empty list means no fault at all, not even a random one.
        """
        self._plans.setdefault(check_platform(platform), deque()).extend([check_fault_names(names) for names in faults])

    def faults_for(self, platform: str, draft: Draft, raw: bytes) -> frozenset[str]:
        """Return the faults of this submit. A refusal named in a prompt hits the same bytes only once."""
        self._arrivals[platform] = self._arrivals.get(platform, 0) + 1
        in_prompt = faults_in_prompt(draft.prompt)
        digest = hashlib.sha256(platform.encode() + raw).digest()
        if digest in self._refused_by_prompt:
            in_prompt -= frozenset(REFUSALS)
        if in_prompt & frozenset(REFUSALS):
            self._refused_by_prompt.add(digest)
        planned = self._plans.get(platform)
        if planned:
            return in_prompt | planned.popleft()
        return in_prompt | draw_faults(self.config.faults, self.random("faults", platform))

    def create(
        self, platform: str, request: Request, *, draft: Draft, raw: bytes, faults: frozenset[str], task_id: str
    ) -> Task:
        """Create the task of a submit; its end is decided now."""
        now_s = self.now_s()
        fails = "fail" in faults or self.random("outcome", platform).random() < self.config.failure_rate
        fails |= draft.fails_with is not None
        task = Task(
            platform=platform,
            task_id=task_id,
            draft=draft,
            raw=raw,
            headers={name: value for name, value in request.headers.items() if name not in KEY_HEADERS},
            origin=origin_of(request),
            faults=faults,
            created_s=now_s,
            ends_s=self._end(platform, draft, faults, now_s),
            outcome=Phase.FAILED if fails else Phase.SUCCEEDED,
            error=draft.fails_with or DEFAULT_ERROR,
        )
        last_s = NEVER if draft.longest_s is None else now_s + self.config.real_s(draft.longest_s)
        if task.ends_s > last_s:
            task.ends_s, task.outcome, task.error = last_s, Phase.FAILED, _RAN_OUT
        self.tasks[task_id] = task
        return task

    def _end(self, platform: str, draft: Draft, faults: frozenset[str], now_s: float) -> float:
        if "callback_early" in faults and draft.callback_url is not None:
            return now_s
        if "stuck" in faults:
            return NEVER
        duration_s = self.random("duration", platform).lognormvariate(math.log(self.config.median_s), self.config.sigma)
        return now_s + self.config.real_s(duration_s)

    def find(self, platform: str, task_id: str) -> Task | None:
        """Return a task of this platform, None if it has no such task."""
        task = self.tasks.get(task_id)
        return task if task is not None and task.platform == platform else None

    def of(self, platform: str) -> list[Task]:
        """Return the tasks of this platform, oldest first."""
        return [task for task in self.tasks.values() if task.platform == platform]

    def unfinished(self, platform: str) -> int:
        """Count the tasks that occupy a concurrency slot."""
        now_s = self.now_s()
        return sum(task.ends_s > now_s for task in self.of(platform))

    def view(self, task: Task) -> View:
        """Return the task as it is now."""
        now_s = self.now_s()
        idle_s = self.config.modelstream_not_started_s if task.platform == "modelstream" else 0.0
        phase = phase_at(task, now_s, queued_share=self.config.queued_share, not_started_s=self.config.real_s(idle_s))
        expires_s = task.ends_s + self.config.retention(task.platform)
        is_undocumented = "unknown_state" in task.faults and phase in {Phase.RUNNING, Phase.ARCHIVING}
        return View(
            task=task,
            task_id=task.task_id,
            phase=phase,
            percent=int(100 * share_done(task, now_s)),
            now_s=now_s,
            expires_s=expires_s,
            video_url=self._link(task, expires_s),
            undocumented_state=UNDOCUMENTED_STATE if is_undocumented else None,
        )

    def _link(self, task: Task, expires_s: float) -> str:
        until = 0 if math.isinf(expires_s) else math.ceil(expires_s)
        path = f"/cdn/{task.platform}/{task.task_id}.mp4"
        return f"{task.origin}{path}?Expires={until}&Signature={self.link_signature(task)}"

    def link_signature(self, task: Task) -> str:
        """Return the signature of a result link, which cannot be guessed."""
        return hmac.new(str(self.config.seed).encode(), task.task_id.encode(), hashlib.sha256).hexdigest()[:24]

    def end(self, task_id: str, outcome: Phase, error: TaskError = DEFAULT_ERROR) -> None:
        """End a task now. Raise UnknownTaskError, or TaskEndedError when it is already terminal."""
        task = self.tasks.get(task_id)
        if task is None:
            raise UnknownTaskError(task_id)
        task.end(outcome, self.now_s(), error)

    def records(self) -> Records:
        """Return a copy of everything that happened so far."""
        return Records(
            tasks=tuple(self._record(task) for task in self.tasks.values()),
            refused=tuple(self.refused),
            throttled=tuple(self.throttled),
            keys_leaked=self.keys_leaked,
        )

    def _record(self, task: Task) -> TaskRecord:
        view = self.view(task)
        return task_record(task, view.phase, (view.video_url,) if view.phase is Phase.SUCCEEDED else ())

    def record_refusal(self, platform: str, raw: bytes, *, reason: str, status: int | None) -> None:
        """Record a submit that created nothing."""
        at_ms = milliseconds(self.now_s())
        self.refused.append(RefusedSubmit(platform=platform, time_ms=at_ms, reason=reason, status=status, raw_body=raw))

    def record_throttling(self, platform: str, request: Request, reason: str) -> None:
        """Record a request that was answered as throttled."""
        self.throttled.append(
            ThrottledRequest(
                platform=platform,
                time_ms=milliseconds(self.now_s()),
                method=request.method,
                path=request.url.path,
                reason=reason,
            )
        )

    def client(self) -> httpx.AsyncClient:
        """Return the client that posts callbacks; it follows no redirects and uses no proxies of the environment."""
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=self.config.callback_timeout_s)
        return self._client

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` in the background until it ends or the simulator stops."""
        running = asyncio.create_task(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    async def pause(self, real_s: float) -> None:
        """Sleep `real_s`, or until the simulator stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), real_s)

    async def close(self) -> None:
        """Cancel all background work and wait for its end."""
        self.stopping.set()
        for running in self._background:
            running.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

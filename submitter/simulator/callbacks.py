"""Post the callbacks of a task, as its platform's rules say and as the task's faults change them.

When a platform calls, how it signs, and how often it tries again are its `CallbackRules`, which stand with their
sources in its module. No rule allows redirects to be followed.
"""

import asyncio
import gzip
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

import httpx

from submitter.simulator.records import milliseconds
from submitter.simulator.task import CallbackAttempt, JsonObject, Phase, Task, View
from submitter.simulator.world import World

CallbackBody = Callable[[View], JsonObject]

#: The headers of one attempt: of a task, at a time in unix seconds, over these bytes.
CallbackHeaders = Callable[[World, Task, float, bytes], Mapping[str, str]]

_OTHER = {Phase.SUCCEEDED: Phase.FAILED, Phase.FAILED: Phase.SUCCEEDED}

_LOOKS_EVERY_S = 0.02  # for the next change of a task


def target_of(task: Task) -> str:
    """The URL that the task's callbacks are posted to."""
    url = task.draft.callback_url or ""
    return f"{url}/?source={task.platform}" if "callback_odd_form" in task.faults else url


def unsigned(world: World, task: Task, time_s: float, body: bytes) -> Mapping[str, str]:
    """No headers beside the usual ones."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRules:
    """When and how a platform calls back."""

    body: CallbackBody
    headers: CallbackHeaders = unsigned
    #: Provider seconds after the first attempt at which it is tried, until an answer is 2xx.
    attempts_at_s: tuple[float, ...] = (0.0,)
    #: The phases that it reports when they begin, beside the end; empty: the end alone.
    changes: frozenset[Phase] = frozenset()
    #: Whether the report of a change is tried again as that of the end is; else it is posted once.
    repeats_changes: bool = True
    #: Ends that are not reported.
    silent_ends: frozenset[Phase] = frozenset()
    #: Whether an answer 3xx ends the attempts.
    ends_at_redirect: bool = False
    #: Whether each attempt is signed anew; else all have the headers of the first.
    signs_anew: bool = True
    #: A message that must be answered with itself before the first callback; None: there is none. It is of one string.
    challenge: str | None = None


async def post_callbacks(world: World, task: Task, rules: CallbackRules) -> None:
    """Post the callbacks of each reported change and of the end, as the task's faults change them."""
    try:
        if rules.challenge is not None and not await _passes_challenge(world, task, rules.challenge):
            return
        async for phase in _reported(world, task, rules):
            if phase.is_terminal:
                await _report_end(world, task, rules)
            elif "callback_lost" not in task.faults:
                await _deliver(world, task, rules, _body(replace(world.view(task), phase=phase), task, rules), phase)
    finally:
        task.posted.set()


async def _reported(world: World, task: Task, rules: CallbackRules) -> AsyncIterator[Phase]:
    """The phases that are reported, each when it begins; the end is last."""
    told: set[Phase] = set()
    while not (phase := world.view(task).phase).is_terminal:
        if phase in rules.changes - told:
            told.add(phase)
            yield phase
        await _changed(world, task, rules)
    if phase not in rules.silent_ends:
        yield phase


async def _changed(world: World, task: Task, rules: CallbackRules) -> None:
    """Wait for the end of the task, or for a time in which it may have changed otherwise."""
    left_s = max(0.0, task.ends_s - world.now_s())
    longest_s = min(left_s, _LOOKS_EVERY_S) if rules.changes else left_s
    task.changed.clear()
    try:
        await asyncio.wait_for(task.changed.wait(), None if math.isinf(longest_s) else longest_s)
    except TimeoutError:
        return


async def _passes_challenge(world: World, task: Task, challenge: str) -> bool:
    """Whether the callback URL answers a challenge with itself within 3 s."""
    body = json.dumps({"challenge": challenge}).encode()
    url = task.draft.callback_url or ""
    try:
        headers = {"Content-Type": "application/json"}
        reply = await asyncio.wait_for(world.client().post(url, content=body, headers=headers), 3.0)
        answered = reply.status_code == 200 and reply.json().get("challenge") == challenge
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, AttributeError):
        return False
    return bool(answered)


async def _report_end(world: World, task: Task, rules: CallbackRules) -> None:
    if "callback_late" in task.faults:
        await world.pause(world.config.real_s(world.config.late_s))
    if "callback_lost" not in task.faults:
        await _deliver_all(world, task, rules)


async def _deliver_all(world: World, task: Task, rules: CallbackRules) -> None:
    body = _body(replace(world.view(task), phase=task.outcome), task, rules)
    copies = 2 if "callback_overlapping" in task.faults else 1
    await asyncio.gather(*(_deliver(world, task, rules, body, task.outcome) for _ in range(copies)))
    if "callback_duplicated" in task.faults:
        await _deliver(world, task, rules, body, task.outcome)
    if "callback_contradicting" in task.faults and task.outcome in _OTHER:
        other = _OTHER[task.outcome]
        await _deliver(world, task, rules, _body(replace(world.view(task), phase=other), task, rules), other)


def _body(view: View, task: Task, rules: CallbackRules) -> bytes:
    body = json.dumps(rules.body(view), separators=(",", ":")).encode()
    if "callback_malformed" in task.faults:
        return body[: len(body) // 2]
    return gzip.compress(body) if "callback_gzip" in task.faults else body


async def _deliver(world: World, task: Task, rules: CallbackRules, body: bytes, reported: Phase) -> None:
    first_s = world.now_s()
    headers = _headers(world, task, rules, body)
    is_once = not (reported.is_terminal or rules.repeats_changes)
    for number, offset_s in enumerate(rules.attempts_at_s[: 1 if is_once else None], start=1):
        await asyncio.sleep(max(0.0, first_s + world.config.real_s(offset_s) - world.now_s()))
        if rules.signs_anew and world.config.signs_attempts_anew:
            headers = _headers(world, task, rules, body)
        time_ms = milliseconds(world.now_s())
        status, error = await _post(world, target_of(task), body, headers)
        attempt = CallbackAttempt(time_ms=time_ms, number=number, reported=reported.value, status=status, error=error)
        task.callbacks.append(attempt)
        task.posted.set()
        if attempt.is_delivered or (rules.ends_at_redirect and status is not None and 300 <= status < 400):
            return


def _headers(world: World, task: Task, rules: CallbackRules, body: bytes) -> dict[str, str]:
    headers = {} if "callback_odd_form" in task.faults else {"Content-Type": "application/json"}
    if "callback_gzip" in task.faults:
        headers["Content-Encoding"] = "gzip"
    if "callback_unsigned" in task.faults:
        return headers
    signed = b"not " + body if "callback_wrongly_signed" in task.faults else body
    return headers | dict(rules.headers(world, task, world.now_s(), signed))


async def _post(world: World, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """Return the status of the answer, or why there was none."""
    try:
        reply = await asyncio.wait_for(
            world.client().post(url, content=body, headers=headers), world.config.callback_timeout_s
        )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return None, type(error).__name__
    return reply.status_code, None

"""HiAPI's callbacks: only at the end of a task, signed, at most four attempts, at least once.

Source: https://docs.hiapi.ai/async-api/?lang=en and the examples repository zimacode-network/hiapi-api-examples,
read 2026-11-21. Redirects are not followed (not documented either way; the cautious reading).
"""

import asyncio
import hashlib
import hmac
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from submitter.simulator.records import milliseconds
from submitter.simulator.task import CallbackAttempt, JsonObject, Phase, Task, View
from submitter.simulator.world import World

ATTEMPTS_AT_S = (0.0, 60.0, 300.0, 1200.0)  # provider seconds after the first attempt

CallbackBody = Callable[[View], JsonObject]

_OTHER = {Phase.SUCCEEDED: Phase.FAILED, Phase.FAILED: Phase.SUCCEEDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One callback to deliver."""

    url: str
    body: bytes
    #: The state that the body reports.
    reported: str
    #: None: no signature headers are sent.
    signing_secret: str | None


def signature(secret: str, timestamp: str, raw: bytes) -> str:
    """Lower-case hex HMAC-SHA256 over timestamp, full stop, raw body; the key is the secret's own UTF-8 bytes."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + raw, hashlib.sha256).hexdigest()


async def post_callbacks(world: World, task: Task, body_of: CallbackBody) -> None:
    """Wait for the task's end, then post its callback as the task's faults change it."""
    try:
        await _ended(world, task)
        if "callback_late" in task.faults:
            await world.pause(world.config.real_s(world.config.late_s))
        if "callback_lost" not in task.faults:
            await _deliver_all(world, task, body_of)
    finally:
        task.posted.set()


async def _ended(world: World, task: Task) -> None:
    while (left_s := task.ends_s - world.now_s()) > 0:
        task.changed.clear()
        try:
            await asyncio.wait_for(task.changed.wait(), None if math.isinf(left_s) else left_s)
        except TimeoutError:
            continue


async def _deliver_all(world: World, task: Task, body_of: CallbackBody) -> None:
    post = _post(world, task, task.outcome, body_of)
    copies = 2 if "callback_overlapping" in task.faults else 1
    await asyncio.gather(*(_deliver(world, task, post) for _ in range(copies)))
    if "callback_duplicated" in task.faults:
        await _deliver(world, task, post)
    if "callback_contradicting" in task.faults:
        await _deliver(world, task, _post(world, task, _OTHER[task.outcome], body_of))


def _post(world: World, task: Task, outcome: Phase, body_of: CallbackBody) -> Post:
    view = replace(world.view(task), phase=outcome)
    body = json.dumps(body_of(view), separators=(",", ":")).encode()
    if "callback_malformed" in task.faults:
        body = body[: len(body) // 2]
    return Post(
        url=task.draft.callback_url or "", body=body, reported=outcome.value, signing_secret=_secret(world, task.faults)
    )


def _secret(world: World, faults: frozenset[str]) -> str | None:
    secret = world.config.hiapi_webhook_secret
    if secret is None or "callback_unsigned" in faults:
        return None
    return f"not-{secret}" if "callback_wrongly_signed" in faults else secret


async def _deliver(world: World, task: Task, post: Post) -> None:
    first_s = world.now_s()
    headers = _headers(post, first_s)
    for number, offset_s in enumerate(ATTEMPTS_AT_S, start=1):
        await _wait_until(world, first_s + world.config.real_s(offset_s))
        if world.config.hiapi_resigns_retries:
            headers = _headers(post, world.now_s())
        attempt = await _attempt(world, post, headers, number)
        task.callbacks.append(attempt)
        task.posted.set()
        if attempt.is_delivered:
            return


async def _wait_until(world: World, due_s: float) -> None:
    wait_s = due_s - world.now_s()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


def _headers(post: Post, now_s: float) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if post.signing_secret is None:
        return headers
    timestamp = str(int(now_s))
    return headers | {
        "X-HiAPI-Timestamp": timestamp,
        "X-HiAPI-Signature": signature(post.signing_secret, timestamp, post.body),
    }


async def _attempt(world: World, post: Post, headers: dict[str, str], number: int) -> CallbackAttempt:
    at_ms = milliseconds(world.now_s())
    status, error = await _answer(world, post, headers)
    return CallbackAttempt(time_ms=at_ms, number=number, reported=post.reported, status=status, error=error)


async def _answer(world: World, post: Post, headers: dict[str, str]) -> tuple[int | None, str | None]:
    try:
        reply = await asyncio.wait_for(
            world.client().post(post.url, content=post.body, headers=headers), world.config.callback_timeout_s
        )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return None, type(error).__name__
    return reply.status_code, None

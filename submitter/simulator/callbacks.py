"""HiAPI's callbacks: only at the end of a task, signed, at most four attempts, at least once.

Source: https://docs.hiapi.ai/async-api/?lang=en and the examples repository zimacode-network/hiapi-api-examples,
read 2026-11-21. Redirects are not followed (not documented either way; the cautious reading).
"""

import asyncio
import gzip
import hashlib
import hmac
import json
import math
from collections.abc import Callable
from dataclasses import replace

import httpx

from submitter.simulator.records import milliseconds
from submitter.simulator.task import CallbackAttempt, JsonObject, Phase, Task, View
from submitter.simulator.world import World

ATTEMPTS_AT_S = (0.0, 60.0, 300.0, 1200.0)  # provider seconds after the first attempt

CallbackBody = Callable[[View], JsonObject]

_OTHER = {Phase.SUCCEEDED: Phase.FAILED, Phase.FAILED: Phase.SUCCEEDED}


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
    body = _body(world.view(task), task.outcome, body_of)
    copies = 2 if "callback_overlapping" in task.faults else 1
    await asyncio.gather(*(_deliver(world, task, body, task.outcome) for _ in range(copies)))
    if "callback_duplicated" in task.faults:
        await _deliver(world, task, body, task.outcome)
    if "callback_contradicting" in task.faults:
        other = _OTHER[task.outcome]
        await _deliver(world, task, _body(world.view(task), other, body_of), other)


def _body(view: View, outcome: Phase, body_of: CallbackBody) -> bytes:
    body = json.dumps(body_of(replace(view, phase=outcome)), separators=(",", ":")).encode()
    if "callback_malformed" in view.task.faults:
        return body[: len(body) // 2]
    return gzip.compress(body) if "callback_gzip" in view.task.faults else body


async def _deliver(world: World, task: Task, body: bytes, reported: Phase) -> None:
    first_s = world.now_s()
    headers = _headers(world, task, body)
    for number, offset_s in enumerate(ATTEMPTS_AT_S, start=1):
        await asyncio.sleep(max(0.0, first_s + world.config.real_s(offset_s) - world.now_s()))
        if world.config.hiapi_resigns_retries:
            headers = _headers(world, task, body)
        time_ms = milliseconds(world.now_s())
        url = task.draft.callback_url or ""
        odd_url = f"{url}/?source=hiapi" if "callback_odd_form" in task.faults else url
        status, error = await _post(world, odd_url, body, headers)
        attempt = CallbackAttempt(time_ms=time_ms, number=number, reported=reported.value, status=status, error=error)
        task.callbacks.append(attempt)
        task.posted.set()
        if attempt.is_delivered:
            return


def _headers(world: World, task: Task, body: bytes) -> dict[str, str]:
    headers = {} if "callback_odd_form" in task.faults else {"Content-Type": "application/json"}
    if "callback_gzip" in task.faults:
        headers["Content-Encoding"] = "gzip"
    secret = world.config.hiapi_webhook_secret
    if secret is None or "callback_unsigned" in task.faults:
        return headers
    if "callback_wrongly_signed" in task.faults:
        secret = f"not-{secret}"
    timestamp = str(int(world.now_s()))
    return headers | {"X-HiAPI-Timestamp": timestamp, "X-HiAPI-Signature": signature(secret, timestamp, body)}


async def _post(world: World, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """Return the status of the answer, or why there was none."""
    try:
        reply = await asyncio.wait_for(
            world.client().post(url, content=body, headers=headers), world.config.callback_timeout_s
        )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return None, type(error).__name__
    return reply.status_code, None

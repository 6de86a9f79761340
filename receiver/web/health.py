"""Whether this process is alive, whether it can do its work, and the description of its API."""

import asyncio

from receiver.config.api_keys import Scope
from receiver.store.accounts import AccountStatus
from receiver.web.auth import find_caller
from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.api_operations import Account, Health, Readiness
from submitter.timestamps import rfc3339

_STEPPED_BACK = "The ledger has lost its newest part; `whenfinal doctor` says what to do."


async def show_alive(_context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Answer without using the ledger, because a restart would not help against a full disk."""
    return JsonAnswer(body=Health(status="alive"))


async def show_ready(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """Answer 503 when the ledger cannot be written. A paused provider is shown and does not make it 503.

    A key that is not valid shows no more than none, because a probe must not fail for its key.
    """
    await context.services.readiness.check()
    caller = await find_caller(context.request.scope, context.services.keyring, Scope.READ)
    if caller is None:
        return JsonAnswer(body={"status": "ready"})
    accounts = await context.services.store.accounts.all()
    now_ms = context.services.clock()
    stepped_back = context.services.store.stepped_back
    note = _STEPPED_BACK if stepped_back is not None and stepped_back.is_recent(now_ms) else None
    visible = caller.limits.providers
    shown = tuple(_account(each, now_ms) for each in accounts if visible is None or each.provider in visible)
    return JsonAnswer(body=Readiness(status="ready", note=note, accounts=shown))


async def show_openapi(context: RequestContext[NoQuery, NoBody]) -> JsonAnswer:
    """The first one makes the document, in a thread, because other requests would wait for it."""
    return JsonAnswer(body=await asyncio.to_thread(context.request.app.state.openapi))


def _account(status: AccountStatus, now_ms: int) -> Account:
    is_paused = (status.paused_until_ms or 0) > now_ms
    is_held = status.are_submits_held(now_ms)
    return Account(
        provider=status.provider,
        paused_until=rfc3339(status.paused_until_ms) if is_paused else None,
        submits_paused_until=rfc3339(status.submits_paused_until_ms) if is_held else None,
        submits_paused_reason=status.submits_paused_reason if is_held else None,
        paused_reason=status.paused_reason if is_paused else None,
        alarm=status.alarm,
        submits_alarm=status.submits_alarm,
    )

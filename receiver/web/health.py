"""Whether this process is alive, whether it can do its work, and what it serves."""

from typing import Any

from receiver.store.accounts import AccountStatus
from receiver.web.endpoint import Answer, RequestContext
from receiver.web.schemas.tasks import NoBody, NoQuery
from submitter.timestamps import rfc3339


async def show_alive(_call: RequestContext[NoQuery, NoBody]) -> Answer:
    """Touches nothing: a restart cures no full disk."""
    return Answer(body={"status": "alive"})


async def show_ready(call: RequestContext[NoQuery, NoBody]) -> Answer:
    """503 when the ledger cannot be written. A paused provider is shown, and is no reason to send nobody here."""
    await call.services.readiness.check()
    accounts = await call.services.store.accounts.all()
    now_ms = call.services.clock()
    return Answer(body={"status": "ready", "accounts": [_account_view(account, now_ms) for account in accounts]})


async def show_openapi(call: RequestContext[NoQuery, NoBody]) -> Answer:
    document: dict[str, Any] = call.request.app.state.openapi
    return Answer(body=document)


def _account_view(account: AccountStatus, now_ms: int) -> dict[str, Any]:
    is_paused = (account.paused_until_ms or 0) > now_ms
    return {
        "provider": account.provider,
        "paused_until": rfc3339(account.paused_until_ms) if is_paused else None,
        "paused_reason": account.paused_reason if is_paused else None,
        "alarm": account.alarm,
    }

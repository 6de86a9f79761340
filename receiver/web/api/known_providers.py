"""Which providers a filter may name: a mistyped one is refused, because it would find nothing and look like success."""

from typing import Any

from receiver.tasks.model.search import TaskSearch
from receiver.web.endpoint import RequestContext
from receiver.web.limits import visible_providers
from receiver.web.problems import Kind, invalid
from submitter.errors import Violation


async def check_filter(context: RequestContext[Any, Any], provider: str | None, kind: Kind) -> None:
    """Raise a problem for one that is neither configured nor in the ledger, as far as the caller sees either."""
    configured = visible_providers(context.services.providers, context.caller.limits)
    if provider is None or provider in configured or await _is_in_ledger(context, provider):
        return
    accepted = ", ".join(sorted(configured)) or "none: no provider is configured"
    rule = "is neither configured nor in the ledger"
    raise invalid(kind, Violation(field="provider", rule=rule, accepted=accepted))


async def _is_in_ledger(context: RequestContext[Any, Any], provider: str) -> bool:
    """An account is there since the first submit or poll; a key with a label sees the tasks with it alone."""
    store, limits = context.services.store, context.caller.limits
    if limits.providers is not None and provider not in limits.providers:
        return False
    if limits.label is None and provider in {each.provider for each in await store.accounts.all()}:
        return True
    found = await store.task_search.page(TaskSearch(provider=provider, limits=limits), limit=1)
    return bool(found.tasks)

"""Which providers a filter may name: a mistyped one is refused, because it would find nothing and look like success."""

from typing import Any

from receiver.tasks.model.search import TaskSearch
from receiver.web.endpoint import RequestContext
from receiver.web.limits import visible_providers
from receiver.web.problems import Kind, invalid
from submitter.errors import Violation


async def check_filter(context: RequestContext[Any, Any], provider: str | None, kind: Kind) -> None:
    """Raise a problem for one that is neither configured nor in the ledger, as far as the caller sees either."""
    if provider is not None and not await is_known(context, provider):
        raise invalid(kind, not_known(context, "provider"))


def not_known(context: RequestContext[Any, Any], field: str) -> Violation:
    configured = visible_providers(context.services.providers, context.caller.limits)
    accepted = ", ".join(sorted(configured)) or "none: no provider is configured"
    return Violation(field=field, rule="is neither configured nor in the ledger", accepted=accepted)


async def is_known(context: RequestContext[Any, Any], provider: str) -> bool:
    """Whether the caller may see an account or a task of it.

    An account is in the ledger since its first submit or poll; a key with a label sees the tasks with it alone.
    """
    services, limits = context.services, context.caller.limits
    if provider in visible_providers(services.providers, limits):
        return True
    if limits.providers is not None and provider not in limits.providers:
        return False
    if limits.label is None and provider in {each.provider for each in await services.store.accounts.all()}:
        return True
    found = await services.store.task_search.page(TaskSearch(provider=provider, limits=limits), limit=1)
    return bool(found.tasks)

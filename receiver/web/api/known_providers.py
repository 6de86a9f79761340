"""Which providers a filter may name: a mistyped one is refused, because it would find nothing and look like success."""

from collections.abc import Iterable
from typing import Any

from receiver.tasks.model.search import TaskSearch
from receiver.web.endpoint import RequestContext
from receiver.web.limits import visible_providers
from receiver.web.problems import Kind, invalid
from submitter.errors import Violation


async def check_filter(context: RequestContext[Any, Any], provider: str | None, kind: Kind) -> None:
    """Raise a problem for one that is neither configured nor in the ledger, as far as the caller sees either."""
    if provider is not None and await first_unknown(context, [provider]) is not None:
        raise invalid(kind, not_known(context, "provider"))


def not_known(context: RequestContext[Any, Any], field: str) -> Violation:
    """The rule that a name broke which `first_unknown` found."""
    configured = visible_providers(context.services.providers, context.caller.limits)
    accepted = ", ".join(sorted(configured)) or "none: no provider is configured"
    return Violation(field=field, rule="is neither configured nor in the ledger", accepted=accepted)


async def first_unknown(context: RequestContext[Any, Any], providers: Iterable[str]) -> str | None:
    """The first of these of which the caller may see no account and no task.

    Only the first, so that a request costs one search of the tasks for a name that is unknown, however many it has.
    """
    services, limits = context.services, context.caller.limits
    configured = visible_providers(services.providers, limits)
    others = [name for name in dict.fromkeys(providers) if name not in configured]
    # An account is in the ledger since its first submit or poll; a key with a label sees the tasks with it alone.
    in_ledger = {each.provider for each in await services.store.accounts.all()} if others and not limits.label else ()
    for name in others:
        is_outside = limits.providers is not None and name not in limits.providers
        if is_outside or (name not in in_ledger and not await _has_task(context, name)):
            return name
    return None


async def _has_task(context: RequestContext[Any, Any], provider: str) -> bool:
    search = TaskSearch(provider=provider, limits=context.caller.limits)
    return bool((await context.services.store.task_search.page(search, limit=1)).tasks)

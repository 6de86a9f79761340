"""See and repair the service itself: its providers, their models, its counts and checks."""

from dataclasses import replace
from typing import TypedDict, Unpack

from submitter.api_operations import (
    CallbackAddress,
    Health,
    ProviderStatuses,
    ProviderWithDurations,
    Readiness,
    ResumedProvider,
)
from submitter.api_service import AuditPage, ChecksAnswer, Counts, ModelsAnswer
from submitter.client.conversation import Call
from submitter.client.requests import api_path, get, post

CHECKS_WAIT_S = 60.0  # providers are reached one after another


def list_providers() -> Call[ProviderStatuses]:
    """Return every configured provider with its budget, pauses, alarms, queue, and tasks in flight."""
    return get(api_path("providers"), ProviderStatuses)


def get_provider(name: str, /) -> Call[ProviderWithDurations]:
    """Return a provider and what was learned of it: how long its tasks take, and how many callbacks do not come."""
    return get(api_path("providers", name), ProviderWithDurations)


def resume_provider(name: str, /) -> Call[ResumedProvider]:
    """End the pause of its polls, the hold of its submits, and the alarms of both."""
    return post(api_path("providers", name, "resume"), ResumedProvider)


def callback_address(name: str, /) -> Call[CallbackAddress]:
    """Return the one address for all callbacks of a provider's account, with the steps that set it up there."""
    return get(api_path("providers", name, "callback-address"), CallbackAddress)


def health() -> Call[Health]:
    """Return that the process is alive."""
    return get("healthz", Health)


def readiness() -> Call[Readiness]:
    """Return that the ledger can be written, with the provider accounts for a key that may read."""
    return get("readyz", Readiness)


def list_models(*, provider: str | None = None) -> Call[ModelsAnswer]:
    """Return the models that `video` takes, by provider, with their limits."""
    return get(api_path("models"), ModelsAnswer, {"provider": provider})


def models_of_provider(name: str, /) -> Call[ModelsAnswer]:
    """Return the models that `video` takes at one provider, with their limits."""
    return get(api_path("providers", name, "models"), ModelsAnswer)


def counts() -> Call[Counts]:
    """Return what is open in the ledger. Nothing is counted beyond `most`."""
    return get(api_path("counts"), Counts)


def checks(*, network: bool = False) -> Call[ChecksAnswer]:
    """Return what `whenfinal doctor` checks on the server; `network` also sends a request to each provider."""
    return replace(get(api_path("checks"), ChecksAnswer, {"network": network or None}), extra_wait_s=CHECKS_WAIT_S)


class AuditFilters(TypedDict, total=False):
    """All conditions must hold. Times are RFC 3339."""

    actor: str
    action: str
    task: str
    since: str
    until: str
    limit: int
    cursor: str


def list_audit(**which: Unpack[AuditFilters]) -> Call[AuditPage]:
    """Return a page of who did what, the newest first. The next page begins at `next_cursor`."""
    return get(api_path("audit"), AuditPage, dict(which))

"""See and repair the service itself: its providers."""

from submitter.api_operations import Health, ProviderStatuses, ProviderWithDurations, Readiness, ResumedProvider
from submitter.client.conversation import Call
from submitter.client.requests import api_path, get, post


def list_providers() -> Call[ProviderStatuses]:
    """Return every configured provider with its budget, pauses, alarms, queue, and tasks in flight."""
    return get(api_path("providers"), ProviderStatuses)


def get_provider(name: str, /) -> Call[ProviderWithDurations]:
    """Return a provider and what was learned of it: how long its tasks take, and how many callbacks do not come."""
    return get(api_path("providers", name), ProviderWithDurations)


def resume_provider(name: str, /) -> Call[ResumedProvider]:
    """End the pause of its polls, the hold of its submits, and the alarms of both."""
    return post(api_path("providers", name, "resume"), ResumedProvider)


def health() -> Call[Health]:
    """Return that the process is alive."""
    return get("healthz", Health)


def readiness() -> Call[Readiness]:
    """Return that the ledger can be written, with the provider accounts for a key that may read."""
    return get("readyz", Readiness)

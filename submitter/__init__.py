"""Submits to video providers and reads their answers. Imports nothing from the receiver.

`from submitter import Client` is the client of a running receiver, and `SyncClient` the same without `async`; their
HTTP library is loaded only for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submitter.api import Event, OtherMessage, ProviderEvent, SubscriptionDisabled, Task
    from submitter.client.client import Client
    from submitter.client.sync_client import SyncClient
    from submitter.client.webhooks import open_webhook
    from submitter.request import Notify, Raw, Video

__all__ = [
    "Client",
    "Event",
    "Notify",
    "OtherMessage",
    "ProviderEvent",
    "Raw",
    "SubscriptionDisabled",
    "SyncClient",
    "Task",
    "Video",
    "open_webhook",
]

_PLACES = {
    "Client": "submitter.client.client",
    "SyncClient": "submitter.client.sync_client",
    "open_webhook": "submitter.client.webhooks",
    "Notify": "submitter.request",
    "Raw": "submitter.request",
    "Video": "submitter.request",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'submitter' has no attribute {name!r}")
    return getattr(import_module(_PLACES.get(name, "submitter.api")), name)

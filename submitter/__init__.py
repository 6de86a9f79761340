"""Submits to video providers and reads their answers. Imports nothing from the receiver.

`from submitter import Client` is the client of a running receiver; its HTTP library is loaded only for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from submitter.api import Event, OtherMessage, SubscriptionDisabled, Task
    from submitter.client.client import Client, open_webhook

__all__ = ["Client", "Event", "OtherMessage", "SubscriptionDisabled", "Task", "open_webhook"]
_VALUES = frozenset({"Event", "OtherMessage", "SubscriptionDisabled", "Task"})


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'submitter' has no attribute {name!r}")
    return getattr(import_module("submitter.api" if name in _VALUES else "submitter.client.client"), name)

"""Where the calls about a task go at fal: below owner and app of its model, which its id does not tell. Pure.

`owner/app/requests/ID` is an id with its address. The functions of the adapter take it as well as the id alone; every
outcome names the id alone, because callbacks and fal's own pages do.
Sources: https://fal.ai/docs/api-reference/inference-api for owner and app without what follows them in the model's id;
the SDK fal-ai/fal, fal_client/client.py, for the two names that stand before the owner.
"""

import re
from collections.abc import Mapping
from typing import Any

from submitter.model import ProviderTaskId
from submitter.providers.calls import in_path
from submitter.providers.json_reader import text_at

_SEGMENT = r"[A-Za-z0-9_.~-]+"

_APP = rf"(?:(?:workflows|comfy)/)?{_SEGMENT}/{_SEGMENT}"

_MODEL = re.compile(rf"/?({_APP})(?:/.*)?")

_ADDRESSED = re.compile(rf"/?({_APP})/requests/([^/]+)")

#: Of a task whose model nobody knows: one that was not submitted by us, and the id of a test of the key.
ANY_APP = "alibaba/happy-horse"


def address(provider_task_id: ProviderTaskId, request: Mapping[str, Any]) -> ProviderTaskId:
    """Return the id with its address. `request` is the stored copy of the task's request."""
    if _ADDRESSED.fullmatch(provider_task_id):
        return provider_task_id
    found = _MODEL.fullmatch(text_at(request, "video", "model") or text_at(request, "raw", "path"))
    return ProviderTaskId(f"{found[1] if found else ANY_APP}/requests/{provider_task_id}")


def own_id(provider_task_id: ProviderTaskId) -> ProviderTaskId:
    """Return the id without an address."""
    found = _ADDRESSED.fullmatch(provider_task_id)
    return ProviderTaskId(found[2]) if found else provider_task_id


def path_of(provider_task_id: ProviderTaskId) -> str:
    """Return the path of a task, to which `/status` and `/cancel` are added."""
    found = _ADDRESSED.fullmatch(provider_task_id)
    app, own = (found[1], found[2]) if found else (ANY_APP, provider_task_id)
    return f"/{app}/requests/{in_path(own)}"

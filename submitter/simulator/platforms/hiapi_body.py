"""The `data` object of a HiAPI task, as detail, list and callback show it.

Source: https://docs.hiapi.ai/async-api/detail/?lang=en and the Python SDK HiAPIAI/hiapi-python, read 2026-11-21.
Times are unix seconds; `completed` is 0 while the task is not terminal.
"""

from collections.abc import Mapping
from types import MappingProxyType

from submitter.simulator.task import JsonObject, Phase, View

WORDS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.NOT_STARTED: "queued",
        Phase.QUEUED: "queued",
        Phase.RUNNING: "handling",
        Phase.ARCHIVING: "archiving",
        Phase.SUCCEEDED: "success",
        Phase.FAILED: "fail",
        Phase.CANCELED: "fail",
    }
)


def detail(view: View, *, with_storage: bool = True) -> JsonObject:
    """The object; callbacks may miss the storage field, so they are sent without it."""
    sent = view.task.draft.body
    data: JsonObject = {
        "taskId": view.task_id,
        "model": view.task.draft.model,
        "status": view.state(WORDS),
        "created": int(view.task.created_s),
        "completed": int(view.final_s or 0),
    }
    if sent.get("route"):
        data |= {"route": sent["route"], "model": f"{view.task.draft.model}@{sent['route']}"}
    if with_storage:
        data["storage"] = sent.get("storage") or "temp"
    return data | _result(view)


def _result(view: View) -> JsonObject:
    if view.phase is Phase.SUCCEEDED:
        return {"output": [{"url": view.video_url, "type": "video", "expireAt": int(view.expires_s)}]}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        error = view.task.error
        return {"error": {"code": error.code or "TASK_FAILED", "message": error.message}}
    return {}

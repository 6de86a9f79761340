"""The four shapes in which a new-api gateway tells a task's state.

Sources, read 2026-11-21: a, QuantumNous/new-api-docs docs/en/api/query-video.md; b, c and d, QuantumNous/new-api
dto/task.go, dto/openai_video.go, model/task.go. Times are unix seconds.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from submitter.simulator.task import JsonObject, Phase, View


def _words(fresh: str, waiting: str, running: str, *, good: str, bad: str) -> Mapping[Phase, str]:
    return MappingProxyType(
        {
            Phase.NOT_STARTED: fresh,
            Phase.QUEUED: waiting,
            Phase.RUNNING: running,
            Phase.ARCHIVING: running,
            Phase.SUCCEEDED: good,
            Phase.FAILED: bad,
            Phase.CANCELED: bad,
        }
    )


PAGE_WORDS = _words("queued", "queued", "in_progress", good="completed", bad="failed")

ROW_WORDS = _words("NOT_START", "QUEUED", "IN_PROGRESS", good="SUCCESS", bad="FAILURE")

OPENAI_WORDS = _words("unknown", "queued", "in_progress", good="completed", bad="failed")

GEMINI_WORDS = _words("queued", "queued", "processing", good="succeeded", bad="failed")

UPSTREAM_WORDS = _words("PENDING", "PENDING", "RUNNING", good="SUCCEEDED", bad="FAILED")

_MILESTONES = (10, 20, 30)  # the gateway's percentages between the start and 100 are not linear


def gateway_percent(view: View) -> int:
    """0, one of the milestones, or 100."""
    if view.phase.is_terminal:
        return 100
    if view.phase in {Phase.NOT_STARTED, Phase.QUEUED}:
        return 0
    return _MILESTONES[min(view.percent // 34, 2)]


def _error(view: View, code: str) -> JsonObject:
    error = view.task.error
    return {"code": error.code or code, "message": error.message}


def page_shape(view: View) -> JsonObject:
    """a: flat, as the published pages show it."""
    width, height = view.task.draft.clip.pixels
    body: JsonObject = {"task_id": view.task_id, "status": view.state(PAGE_WORDS)}
    if view.phase is Phase.SUCCEEDED:
        clip = {"duration": view.task.draft.clip.seconds, "fps": 24, "width": width, "height": height, "seed": 0}
        body |= {"url": view.video_url, "format": "mp4", "metadata": clip}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        body["error"] = _error(view, "generation_failed")
    return body


def row_shape(view: View) -> JsonObject:
    """b: the gateway's row. On failure the link's getter falls back to the reason, so both hold the same text."""
    failed = view.phase in {Phase.FAILED, Phase.CANCELED}
    reason = view.task.error.message if failed else ""
    ended_s = int(view.final_s or 0)
    started_s = 0 if view.phase in {Phase.NOT_STARTED, Phase.QUEUED} else int(view.task.created_s)
    row: JsonObject = {
        "id": 17,
        "task_id": view.task_id,
        "platform": "17",
        "user_id": 1,
        "group": "default",
        "channel_id": 3,
        "quota": 1000,
        "action": "generate",
        "status": view.state(ROW_WORDS),
        "fail_reason": reason,
        "result_url": view.video_url if view.phase is Phase.SUCCEEDED else reason,
        "submit_time": int(view.task.created_s),
        "start_time": started_s,
        "finish_time": ended_s,
        "created_at": int(view.task.created_s),
        "updated_at": ended_s or int(view.now_s),
        "progress": f"{gateway_percent(view)}%",
        "properties": {"input": view.task.draft.prompt},
        "data": {"output": {"task_status": UPSTREAM_WORDS[view.phase]}},
    }
    return {"code": "success", "message": "", "data": row}


def openai_video(view: View) -> JsonObject:
    """c: the OpenAI-style object. `completed_at` mirrors the last update, so it may be set before the end."""
    body: JsonObject = {
        "id": view.task_id,
        "task_id": view.task_id,
        "object": "video",
        "model": view.task.draft.model,
        "status": view.state(OPENAI_WORDS),
        "progress": gateway_percent(view),
        "created_at": int(view.task.created_s),
        "seconds": str(view.task.draft.clip.seconds),
    }
    if view.phase not in {Phase.NOT_STARTED, Phase.QUEUED}:
        body["completed_at"] = int(view.final_s or view.now_s)
    if view.phase is Phase.SUCCEEDED:
        body |= {"metadata": {"url": view.video_url}, "expires_at": int(view.expires_s)}
    if view.phase in {Phase.FAILED, Phase.CANCELED}:
        body["error"] = _error(view, "task_failed")
    return body


def gemini_shape(view: View) -> JsonObject:
    """d: as channels of another maker answer."""
    data: JsonObject = {"task_id": view.task_id, "status": view.state(GEMINI_WORDS), "format": "mp4", "metadata": None}
    data["url"] = view.video_url if view.phase is Phase.SUCCEEDED else ""
    failed = view.phase in {Phase.FAILED, Phase.CANCELED}
    data["error"] = _error(view, "task_failed") if failed else None
    return {"code": "success", "message": "", "data": data}


SHAPES: Mapping[str, Callable[[View], JsonObject]] = MappingProxyType(
    {"a": page_shape, "b": row_shape, "d": gemini_shape}
)

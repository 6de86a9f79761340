"""DashScope's task list: filters, paging and the fields of an entry.

Source: https://docs.qwencloud.com/api-reference/more/manage-asynchronous-tasks, read 2026-11-21. The state is called
`status` here and `task_status` in the single query; times are unix milliseconds. Inferred: the order (newest first)
and that `start_time`/`end_time` are Beijing times.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from submitter.simulator.config import DAY_S
from submitter.simulator.field_rules import whole_or
from submitter.simulator.records import milliseconds
from submitter.simulator.refusal import Reason, Refusal
from submitter.simulator.task import JsonObject, Phase, View

_BEIJING = timezone(timedelta(hours=8))

_STAMP = "%Y%m%d%H%M%S"

_ROUNDING_S = 1.0  # a stamp names a whole second, so a span of a day may seem one second longer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start_s: float
    end_s: float


def page_of(
    views: Sequence[View], wanted: Mapping[str, str], *, words: Mapping[Phase, str], now_s: float
) -> JsonObject | Refusal:
    """The page that the query parameters ask for."""
    span = _span(wanted, now_s)
    if isinstance(span, Refusal):
        return span
    fitting = [view for view in reversed(views) if _fits(view, wanted, words=words, span=span)]
    number = max(1, whole_or(wanted.get("page_no"), 1))
    size = max(1, whole_or(wanted.get("page_size"), 10))
    shown = fitting[(number - 1) * size : number * size]
    return {
        "request_id": str(uuid.uuid4()),
        "total": len(fitting),
        "total_page": -(-len(fitting) // size),
        "page_no": number,
        "page_size": size,
        "data": [_entry(view, words) for view in shown],
    }


def _span(wanted: Mapping[str, str], now_s: float) -> _Span | Refusal:
    try:
        end_s = _instant(wanted["end_time"]) if "end_time" in wanted else now_s
        start_s = _instant(wanted["start_time"]) if "start_time" in wanted else end_s - DAY_S
    except ValueError:
        return Refusal(reason=Reason.INVALID, message="times are YYYYMMDDhhmmss", field="start_time")
    if end_s - start_s > DAY_S + _ROUNDING_S:
        return Refusal(reason=Reason.INVALID, message="the span is at most 24 hours", field="start_time")
    return _Span(start_s=start_s, end_s=end_s + _ROUNDING_S)


def _instant(stamp: str) -> float:
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=_BEIJING).timestamp()


def _fits(view: View, wanted: Mapping[str, str], *, words: Mapping[Phase, str], span: _Span) -> bool:
    asked = {"task_id": view.task_id, "model_name": view.task.draft.model, "status": view.state(words)}
    matches = all(wanted.get(name) in {None, "", value} for name, value in asked.items())
    return matches and span.start_s <= view.task.created_s <= span.end_s


def _entry(view: View, words: Mapping[Phase, str]) -> JsonObject:
    created_ms = milliseconds(view.task.created_s)
    entry: JsonObject = {
        "task_id": view.task_id,
        "status": view.state(words),
        "model_name": view.task.draft.model,
        "region": "ap-southeast-1",
        "request_id": view.task_id,
        "api_key_id": "1",
        "user_api_unique_key": f"apikey:v1:aigc:video:{view.task.draft.model}",
        "caller_uid": "1",
        "caller_parent_id": "1",
        "gmt_create": created_ms,
        "start_time": created_ms,
    }
    return entry if view.final_s is None else entry | {"end_time": milliseconds(view.final_s)}

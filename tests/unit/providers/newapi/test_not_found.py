"""Which replies to a poll say that there is no such task: only those that say it of the task."""

import json
from typing import Any

import pytest

from submitter.http.messages import HttpReply
from submitter.model import NotFound, ProviderTaskId
from submitter.providers import newapi
from tests.unit.providers import recorded

ACCOUNT = recorded.account("newapi")


def _polled(status: int, document: Any) -> object:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    reply = HttpReply(status=status, headers=(("content-type", "application/json"),), body=body)
    return newapi.parse_status(ProviderTaskId("task_1"), reply, ACCOUNT)


def _error(message: str, code: str = "invalid_request") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    "document",
    [
        _error("task_not_exist", "task_not_exist"),
        _error("no", "task_not_found"),
        _error("Task not found"),
        _error("the task does not exist"),
        _error("任务不存在"),
    ],
)
def test_no_such_task_is_known_by_its_code_or_its_words(document: dict[str, Any]) -> None:
    assert isinstance(_polled(400, document), NotFound)


@pytest.mark.parametrize(
    "message",
    [
        "the task id has a bad form",
        "bad task",
        "task is being prepared, try again",
        "too many tasks",
        "the model does not exist",
        "channel not found",
        "route not found",
        "模型不存在",
        "任务繁忙",
        "not found",
        "",
    ],
)
def test_any_other_400_says_nothing_of_the_task(message: str) -> None:
    """Neither a mention of a task alone, nor something else that does not exist."""
    assert not isinstance(_polled(400, _error(message)), NotFound)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503])
def test_no_other_status_says_it_whatever_its_words(status: int) -> None:
    assert not isinstance(_polled(status, _error("task not found")), NotFound)


@pytest.mark.parametrize("body", [b"", b"task not found", b"<html>task not found</html>", b'"task not found"', b"[]"])
def test_what_is_no_document_says_nothing(body: bytes) -> None:
    assert not isinstance(_polled(400, body), NotFound)

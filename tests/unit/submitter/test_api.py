"""The models of the API as the client reads them, and answers that are no receiver's."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.events.model.event import TASK_EVENTS, EventType
from submitter.api import EVENT_TYPES, TASK_TYPES, Event, EventsPage, OtherMessage, ResetNotice, SubmittedTask, Task
from submitter.client.replies import error_of, read_event, read_message, read_problem, read_reply
from submitter.errors import CursorExpired, ReceiverRefused, ReceiverUnreachable
from tests.support.stream_bytes import an_event

PROBLEM = {"content-type": "application/problem+json"}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

READERS: tuple[Callable[[bytes], object], ...] = (
    read_event,
    read_message,
    *(partial(read_reply, model) for model in (Task, SubmittedTask, EventsPage, ResetNotice)),
)


def test_the_types_that_the_client_knows_are_the_receivers() -> None:
    assert set(TASK_TYPES) == {kind.value for kind in TASK_EVENTS}
    assert set(EVENT_TYPES) == {kind.value for kind in EventType}


def test_members_of_a_later_version_are_ignored() -> None:
    event = read_event(json.dumps(an_event(3) | {"new": 1}).encode())
    assert isinstance(event, Event)
    assert event.seq == 3


def test_a_message_of_a_later_version_keeps_its_type_and_data() -> None:
    message = read_message(b'{"type":"account.paused","timestamp":"t","data":{"task":null,"x":[1]}}')
    assert message == OtherMessage(type="account.paused", timestamp="t", data={"task": None, "x": [1]})


def test_an_expired_cursor_is_an_error_of_its_own_only_with_a_cursor_to_read_on_from() -> None:
    members = {"type": "urn:whenfinal:problem:cursor-expired", "title": "t", "oldest_after": 7}
    for oldest_after, raised in ((7, CursorExpired), (None, ReceiverRefused), ("7", ReceiverRefused)):
        problem = read_problem(410, PROBLEM, json.dumps(members | {"oldest_after": oldest_after}).encode())
        assert problem is not None
        assert type(error_of(problem)) is raised


@pytest.mark.parametrize("errors", [None, 3, "x", [3, None], {"a": 1}])
def test_a_problem_with_odd_errors_is_a_problem_without(errors: Any) -> None:
    problem = read_problem(422, PROBLEM, json.dumps({"title": "t", "errors": errors}).encode())
    assert problem is not None
    assert (problem.status, problem.title, problem.errors) == (422, "t", ())


@pytest.mark.parametrize("read", READERS)
@given(members=_JSON | st.dictionaries(st.sampled_from(["seq", "type", "data", "task", "events", "id"]), _JSON))
def test_no_other_json_is_taken_for_an_answer(read: Any, members: Any) -> None:
    with pytest.raises(ReceiverUnreachable):
        read(json.dumps(members).encode())


@given(st.dictionaries(st.sampled_from(["type", "title", "errors", "task", "oldest_after", "detail"]), _JSON))
def test_a_problem_of_any_form_is_read(members: dict[str, Any]) -> None:
    assert read_problem(400, PROBLEM, json.dumps(members).encode()) is not None


@given(st.binary())
def test_bytes_that_are_no_json_are_unreadable(body: bytes) -> None:
    for read in READERS:
        with pytest.raises(ReceiverUnreachable):
            read(body)

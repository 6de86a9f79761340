"""The newest events in memory: which cursors they serve, and their bytes in a stream."""

import json
from dataclasses import replace

import pytest

from receiver.events.model.body import event_of_draft
from receiver.events.model.buffer import EncodedEvent, EventBuffer
from receiver.events.model.event import Event, EventType
from receiver.events.model.sse import KEEP_ALIVE, cursor_frame, event_frame, hello, reset_frame
from receiver.tasks.model.event import task_draft
from tests.support.builders import T0, a_task


def _event(seq: int, **labels: str) -> Event:
    return event_of_draft(task_draft(f"evt_{seq}", EventType.SUCCEEDED, a_task(labels=labels)), seq, T0)


def _encoded(*seqs: int) -> list[EncodedEvent]:
    return [EncodedEvent.of(_event(seq)) for seq in seqs]


def _seqs(buffer: EventBuffer, cursor: int, limit: int = 10) -> list[int] | None:
    found = buffer.after(cursor, limit=limit)
    return None if found is None else [each.seq for each in found]


def test_no_cursor_lies_in_a_buffer_without_a_range() -> None:
    buffer = EventBuffer()
    assert _seqs(buffer, 0) is None
    buffer.restart(5)
    assert (_seqs(buffer, 4), _seqs(buffer, 5), _seqs(buffer, 6)) == (None, [], [])


def test_a_buffer_returns_the_events_after_a_cursor_up_to_a_limit() -> None:
    buffer = EventBuffer()
    buffer.restart(5)
    buffer.add(_encoded(6, 7))
    buffer.add(_encoded(8))
    assert (_seqs(buffer, 5), _seqs(buffer, 6, 1), _seqs(buffer, 8)) == ([6, 7, 8], [7], [])


def test_events_that_dropped_out_of_a_full_buffer_are_not_skipped_silently() -> None:
    buffer = EventBuffer(max_events=2)
    buffer.restart(0)
    buffer.add(_encoded(1, 2, 3))
    assert (_seqs(buffer, 0), _seqs(buffer, 1)) == (None, [2, 3])


@pytest.mark.parametrize("max_bytes", [1, 2_000])
def test_a_buffer_holds_no_more_bytes_than_its_limit(max_bytes: int) -> None:
    buffer = EventBuffer(max_bytes=max_bytes)
    buffer.restart(0)
    buffer.add(_encoded(*range(1, 50)))
    found = buffer.after(49 if max_bytes == 1 else 47, limit=100)
    assert found is not None
    assert sum(len(each.frame) for each in found) <= max_bytes
    assert _seqs(buffer, 0) is None


def test_an_event_is_three_lines_whatever_its_words_hold() -> None:
    event = _event(7, film="a\nb\rc\u2028d\u2029e\x85f\x0bg\x1ch")
    text = event_frame(event).decode()
    first, second, data, *rest = text.splitlines()
    assert (first, second, rest) == ("id: 7", "event: task.succeeded", [""])
    assert json.loads(data.removeprefix("data: "))["task"]["labels"] == {"film": "a\nb\rc\u2028d\u2029e\x85f\x0bg\x1ch"}


def test_words_that_no_encoding_knows_do_not_break_a_stream() -> None:
    event = _event(7, film="!")
    assert b"?" in event_frame(replace(event, body=event.body.replace("!", "\\ud800")))


def test_a_reset_carries_the_cursor_to_go_on_from() -> None:
    assert reset_frame(3, 9) == b'id: 9\nevent: reset\ndata: {"requested_after":3,"oldest_after":9}\n\n'


def test_a_comment_keeps_a_stream_alive_and_may_move_its_cursor() -> None:
    assert KEEP_ALIVE == b": keep-alive\n"
    assert cursor_frame(4) == b'id: 4\nevent: hello\ndata: {"after":4}\n\n'
    assert hello(4) == b"retry: 3000\n" + cursor_frame(4)

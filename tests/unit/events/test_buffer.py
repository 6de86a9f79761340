"""The newest events in memory: which cursors it can serve, and what it says on the wire."""

import json
from dataclasses import replace

import pytest

from receiver.events.model.buffer import EventBuffer, Told
from receiver.events.model.event import Event, EventType, event_of_draft
from receiver.events.model.sse import event_frame, keep_alive, reset_frame
from receiver.tasks.model.event import task_draft
from tests.support.builders import T0, a_task


def _event(seq: int, **labels: str) -> Event:
    return event_of_draft(task_draft(f"evt_{seq}", EventType.SUCCEEDED, a_task(labels=labels)), seq, T0)


def _told(*seqs: int) -> list[Told]:
    return [Told.of(_event(seq)) for seq in seqs]


def _seqs(ring: EventBuffer, cursor: int, limit: int = 10) -> list[int] | None:
    found = ring.after(cursor, limit=limit)
    return None if found is None else [each.seq for each in found]


def test_no_cursor_lies_in_a_ring_that_has_not_begun() -> None:
    ring = EventBuffer()
    assert _seqs(ring, 0) is None
    ring.restart(5)
    assert (_seqs(ring, 4), _seqs(ring, 5), _seqs(ring, 6)) == (None, [], [])


def test_a_ring_gives_what_follows_a_cursor_a_few_at_a_time() -> None:
    ring = EventBuffer()
    ring.restart(5)
    ring.add(_told(6, 7))
    ring.add(_told(8))
    assert (_seqs(ring, 5), _seqs(ring, 6, 1), _seqs(ring, 8)) == ([6, 7, 8], [7], [])


def test_what_has_fallen_out_of_a_full_ring_is_not_passed_over_in_silence() -> None:
    ring = EventBuffer(kept=2)
    ring.restart(0)
    ring.add(_told(1, 2, 3))
    assert (_seqs(ring, 0), _seqs(ring, 1)) == (None, [2, 3])


@pytest.mark.parametrize("kept_bytes", [1, 2_000])
def test_a_ring_holds_no_more_bytes_than_it_may(kept_bytes: int) -> None:
    ring = EventBuffer(kept_bytes=kept_bytes)
    ring.restart(0)
    ring.add(_told(*range(1, 50)))
    held = ring.after(49 if kept_bytes == 1 else 47, limit=100)
    assert held is not None
    assert sum(len(each.frame) for each in held) <= kept_bytes
    assert _seqs(ring, 0) is None


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
    assert keep_alive(None) == b": keep-alive\n\n"
    assert keep_alive(4) == b": keep-alive\nid: 4\n\n"

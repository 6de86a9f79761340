"""A bounded number of things at once, without waiting."""

from receiver.webhooks.slots import Slots


def test_slots_are_taken_up_to_the_bound_and_given_back() -> None:
    slots = Slots(5, on_capacity=lambda: None)
    assert [slots.take(3), slots.take(3), slots.take(3)] == [3, 2, 0]
    slots.give_back(2)
    assert (slots.free, slots.take(9), slots.free) == (2, 2, 0)


def test_a_caller_that_found_no_slot_is_called_once_when_some_are_free() -> None:
    calls: list[int] = []
    slots = Slots(2, on_capacity=lambda: calls.append(slots.free))
    slots.take(2)
    slots.give_back()
    assert calls == []
    assert [slots.take(1), slots.take(1), slots.take(1)] == [1, 0, 0]
    slots.give_back(0)
    assert calls == []
    slots.give_back()
    assert calls == [1]
    slots.give_back()
    assert calls == [1]


def test_a_call_that_takes_all_free_slots_again_is_not_refused() -> None:
    calls: list[int] = []

    def take_again() -> None:
        calls.append(slots.take(9))

    slots = Slots(1, on_capacity=take_again)
    slots.take(1)
    assert slots.take(1) == 0
    slots.give_back()
    slots.give_back()
    assert (calls, slots.free) == ([1], 1)

"""Ids: their shape, and that they sort."""

from receiver.store.ids import RANDOM_BYTES, id_maker, new_id
from tests.support.builders import T0


def test_an_id_is_its_prefix_and_twenty_six_letters() -> None:
    assert new_id("tsk", T0, bytes(RANDOM_BYTES)) == "tsk_01m3250v000000000000000000"


def test_ids_sort_by_time() -> None:
    assert new_id("tsk", T0, b"\xff" * RANDOM_BYTES) < new_id("tsk", T0 + 1, bytes(RANDOM_BYTES))


def test_ids_of_one_maker_sort_in_the_order_of_their_making_even_if_the_clock_steps_back() -> None:
    make = id_maker(lambda count: b"\xff" * count)
    made = [make("evt", at) for at in (T0, T0, T0, T0 - 5, T0 + 1, T0 + 1)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)

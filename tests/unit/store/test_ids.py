"""Ids: their shape, and that they sort."""

from receiver.store.ids import RANDOM_BYTES, id_maker
from tests.support.builders import T0

LOWEST, HIGHEST = bytes(RANDOM_BYTES), b"\xff" * RANDOM_BYTES


def test_an_id_is_its_prefix_and_twenty_six_letters() -> None:
    assert id_maker(lambda _: LOWEST)("tsk", T0) == "tsk_01m3250v000000000000000000"


def test_an_id_holds_all_random_bits_but_the_one_that_stays_free() -> None:
    assert id_maker(lambda _: HIGHEST)("tsk", T0) == "tsk_01m3250v00zzzzzzzzfzzzzzzz"


def test_ids_sort_by_time() -> None:
    assert id_maker(lambda _: HIGHEST)("tsk", T0) < id_maker(lambda _: LOWEST)("tsk", T0 + 1)


def test_ids_of_one_maker_sort_in_the_order_of_their_making_even_if_the_clock_steps_back() -> None:
    make = id_maker(lambda _: HIGHEST)
    made = [make("evt", at) for at in (T0, T0, T0, T0 - 5, *[T0] * 2000, T0 + 1, T0 + 1)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(each) for each in made} == {len("evt_") + 26}

"""Tasks that a provider denies one by one: when an operator should hear of it."""

from receiver.reconcile.model.denials import Denials
from submitter.model import TaskId

A, B, C, D = (TaskId(f"tsk_{letter}") for letter in "abcd")


def test_the_third_different_task_in_a_row_raises_the_alarm_and_no_later_one_does() -> None:
    denials = Denials()
    assert [denials.add("hiapi", task) for task in (A, A, B, A, C, D, C)] == [
        False,
        False,
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_good_answer_ends_the_row_of_its_provider_only() -> None:
    denials = Denials()
    for provider in ("hiapi", "modellix"):
        denials.add(provider, A)
        denials.add(provider, B)
    denials.end("hiapi")
    denials.end("never seen")
    assert (denials.add("hiapi", C), denials.add("modellix", C)) == (False, True)
    assert [denials.add("hiapi", task) for task in (A, B)] == [False, True]

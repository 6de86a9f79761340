"""Tasks are chosen by their ids, by a filter, or all of them."""

import pytest

from receiver.cli.console import USAGE, CommandFailed
from receiver.cli.task_filters import BulkOptions, check_choice


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["tsk_1"], BulkOptions(dry_run=True), "--dry-run goes with a filter, not with ids"),
        (["tsk_1"], BulkOptions(provider="hiapi"), "give ids or a filter, not both"),
        ([], BulkOptions(provider="hiapi", everything=True), "--all goes without a filter"),
    ],
)
def test_a_choice_of_two_ways_is_refused_with_the_rule(names: list[str], given: BulkOptions, message: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        check_choice(names, given)
    assert (str(refused.value), refused.value.status) == (message, USAGE)

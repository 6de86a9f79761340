"""Tables of what is open in the ledger."""

from collections.abc import Iterator

from receiver.cli.display.listing import Listing, table
from receiver.cli.display.times import clock_and_age
from submitter.api_service import Counted, Counts


def counts_parts(counts: Counts, now_ms: int) -> Iterator[Listing | str]:
    """What is open in all, then tasks by provider and state. A number that is not counted to its end has a plus."""
    rows = [
        (name, _number(counted, counts.most), clock_and_age(counted.since_at, now_ms))
        for name, counted in (
            ("tasks queued", counts.queued),
            ("tasks uncertain", counts.uncertain),
            ("tasks overdue", counts.overdue),
            ("tasks contradicted", counts.contradicted),
            ("deliveries pending", counts.deliveries.pending),
            ("dead letters", counts.deliveries.dead),
        )
    ]
    rows += [(f"subscriptions {state}", str(number), None) for state, number in counts.subscriptions.items()]
    yield table("open", "number", "since", rows=rows)
    states = list(dict.fromkeys(state for each in counts.providers for state in each.tasks))
    if states:
        yield ""
        yield table(
            "provider",
            *states,
            "due polls",
            "unknown words",
            rows=[
                (
                    each.provider,
                    *(_plus(each.tasks.get(state), counts.most) for state in states),
                    _number(each.due_polls, counts.most),
                    _number(each.unknown_words, counts.most),
                )
                for each in counts.providers
            ],
        )


def _number(counted: Counted, most: int) -> str:
    return _plus(counted.number, most)


def _plus(number: int | None, most: int) -> str:
    return f"{number or 0}{'+' if number is not None and number >= most else ''}"

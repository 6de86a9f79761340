"""How many callbacks a second are answered that were recorded before?

Providers repeat a callback when they do not know that it arrived.
"""

from contextlib import ExitStack
from functools import partial

from tests.bench.case import Arm, Case, Found, Options, by_turns
from tests.bench.checks import at_least, processor_time
from tests.bench.takers import no_op, place, service

ROUNDS, QUICK_ROUNDS = 5, 3
OF_NOOP = 0.40
CONNECTIONS = 64
ENDED = 1000  # tasks
TIMES, NOOP_TIMES = 4, 12  # each of them in a round


def measure(options: Options) -> Found:
    rounds, part = (QUICK_ROUNDS, 2) if options.is_quick else (ROUNDS, 1)
    with ExitStack() as stack:
        at = stack.enter_context(place())
        options.say("filling the ledger and starting the servers")
        noop = stack.enter_context(no_op(at))
        ours = stack.enter_context(service(at, tasks=ENDED))
        ours.take_new(ENDED, CONNECTIONS)
        options.say("measuring")
        ceiling, repeated = Arm(name=noop.name), Arm(name="duplicates")
        arms = [
            (ceiling, partial(noop.take_new, ENDED * NOOP_TIMES // part, CONNECTIONS)),
            (repeated, partial(ours.take_again, ENDED, TIMES // part, CONNECTIONS)),
        ]
        by_turns(arms, rounds=rounds, on_round=options.on_round)
    checks = (
        at_least(f"of no-op at {CONNECTIONS} connections", repeated.ratio_to(ceiling), OF_NOOP),
        *processor_time(repeated, ceiling),
    )
    return Found(arms=(ceiling, repeated), checks=checks, left_out=at.left_out)


CASE = Case(
    name="duplicates",
    title="callbacks that were recorded before",
    measure=measure,
)

"""How many callbacks a second are answered that were recorded before?

Providers repeat a callback when they do not know that it arrived.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.callers import open_callers
from tests.bench.case import Arm, Case, Found, Options, by_turns
from tests.bench.checks import at_least
from tests.bench.processes import cores
from tests.bench.takers import no_op, service

ROUNDS, QUICK_ROUNDS = 5, 3
OF_NOOP = 0.40
CONNECTIONS = 64
ENDED = 1000  # tasks
TIMES, NOOP_TIMES = 4, 12  # each of them in a round


def measure(options: Options) -> Found:
    apart = cores()
    rounds, part = (QUICK_ROUNDS, 2) if options.is_quick else (ROUNDS, 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whenfinal-bench-")))
        callers = stack.enter_context(open_callers(on=apart.load, processes=apart.loads))
        options.say("filling the ledger and starting the servers")
        url = f"sqlite:///{folder / 'ledger.db'}"
        noop = stack.enter_context(no_op(callers, on=apart.server))
        ours = stack.enter_context(service("whenfinal", folder, url, callers, tasks=ENDED, on=apart.server))
        ours.take_new(ENDED, CONNECTIONS)
        options.say("measuring")
        ceiling, repeated = Arm(name=noop.name), Arm(name="duplicates")
        arms = [
            (ceiling, partial(noop.take_new, ENDED * NOOP_TIMES // part, CONNECTIONS)),
            (repeated, partial(ours.take_again, ENDED, TIMES // part, CONNECTIONS)),
        ]
        by_turns(arms, rounds=rounds, on_round=options.on_round)
    check = at_least(f"of no-op at {CONNECTIONS} connections", repeated.ratio_to(ceiling), OF_NOOP)
    return Found(arms=(ceiling, repeated), checks=(check,), left_out=apart.left_out)


CASE = Case(
    name="duplicates",
    title=f"callbacks that were recorded before, {CONNECTIONS} connections",
    measure=measure,
)

"""How many new callbacks a second get from a socket into the ledger?

A new callback is the end of a submitted task, under its own token and with the provider's signature: both are checked,
and then it is in one commit with its event, its line in the timeline and what one subscription gets of it.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from tests.bench.case import Arm, Case, Found, Options, Round, by_turns
from tests.bench.checks import at_least, at_most, processor_time, shown
from tests.bench.takers import Taker, no_op, per_request, place, service

ROUNDS, QUICK_ROUNDS = 5, 3
OF_NOOP, OF_PER_REQUEST, P99_MS = 0.30, 2.0, 20.0
#: Callbacks of a round by connections: of the service, and of the server that does nothing.
SIZES = {64: (3000, 12_000), 1: (300, 1500), 256: (3000, 12_000)}
PER_REQUEST = 2000
MAIN = 64


def measure(options: Options) -> Found:
    rounds, part = (QUICK_ROUNDS, 2) if options.is_quick else (ROUNDS, 1)
    with ExitStack() as stack:
        at = stack.enter_context(place())
        options.say("filling the ledger and starting the servers")
        tasks = rounds * sum(ours for ours, _ in SIZES.values()) // part
        noop = stack.enter_context(no_op(at))
        bare = stack.enter_context(no_op(at, bare=True))
        commits = stack.enter_context(per_request(at))
        ours = stack.enter_context(service(at, tasks=tasks))
        arms = dict(_arms(noop, ours, part))
        arms[f"{bare.name}, {MAIN}"] = partial(bare.take_new, SIZES[MAIN][1] // part, MAIN)
        arms[f"{commits.name}, {MAIN}"] = partial(commits.take_new, PER_REQUEST // part, MAIN)
        options.say("measuring")
        measured = [(Arm(name=name), work) for name, work in arms.items()]
        by_turns(measured, rounds=rounds, on_round=options.on_round)
    return _found({arm.name: arm for arm, _ in measured}, at.callers.cpu_us(noop.name), at.left_out)


def _arms(noop: Taker, ours: Taker, part: int) -> dict[str, Callable[[], Round]]:
    arms: dict[str, Callable[[], Round]] = {}
    for connections, (of_ours, of_noop) in SIZES.items():
        arms[f"{noop.name}, {connections}"] = partial(noop.take_new, of_noop // part, connections)
        arms[f"{ours.name}, {connections}"] = partial(ours.take_new, of_ours // part, connections)
    return arms


def _found(arms: dict[str, Arm], load_us: float, left_out: tuple[str, ...]) -> Found:
    ours = {connections: arms[f"whenfinal, {connections}"] for connections in SIZES}
    noop = {connections: arms[f"no-op, {connections}"] for connections in SIZES}
    checks = [
        at_least(f"of no-op at {MAIN} connections", ours[MAIN].ratio_to(noop[MAIN]), OF_NOOP),
        at_least("times insert and commit", ours[MAIN].ratio_to(arms[f"insert and commit, {MAIN}"]), OF_PER_REQUEST),
        at_most(f"p99 at {MAIN} connections", ours[MAIN].percentile_ms(99) or 0.0, P99_MS, "ms"),
        *(
            shown(f"of no-op at {connections} connections", ours[connections].ratio_to(noop[connections]))
            for connections in SIZES
            if connections != MAIN
        ),
        shown(f"of uvicorn alone at {MAIN} connections", ours[MAIN].ratio_to(arms[f"uvicorn alone, {MAIN}"])),
        *processor_time(ours[MAIN], noop[MAIN]),
        shown("processor time of the load for a request to no-op", load_us, "µs"),
    ]
    return Found(arms=list(arms.values()), checks=checks, left_out=left_out)


CASE = Case(
    name="intake",
    title="new callbacks into SQLite, each synced to the disk and signed",
    measure=measure,
)

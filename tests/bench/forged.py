"""What does a callback cost that is not the provider's? Nobody may buy much of our time, or a write, with a forgery.

One kind has a token by another key, and its body need not be read. The other has the token of a real task, which the
provider was given and others may have seen, and a wrong signature.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.calling import Kind
from tests.bench.case import Arm, BenchFailed, CannotMeasure, Case, Found, Options, Round, by_turns
from tests.bench.checks import at_most
from tests.bench.processes import NO_CPU
from tests.bench.takers import place, service

ROUNDS, QUICK_ROUNDS = 5, 3
OF_GOOD = 0.3
CONNECTIONS = 64
GOOD = 2000  # in a round
FORGED, TIMES = 1000, 4


def measure(options: Options) -> Found:
    rounds, part = (QUICK_ROUNDS, 2) if options.is_quick else (ROUNDS, 1)
    with ExitStack() as stack:
        at = stack.enter_context(place())
        options.say("filling the ledger and starting the server")
        tasks = rounds * GOOD // part + FORGED
        taker = stack.enter_context(service(at, tasks=tasks))
        options.say("measuring")
        good = Arm(name="good, new")
        forged = {kind: Arm(name=kind.value) for kind in (Kind.FORGED_TOKEN, Kind.FORGED_SIGNATURE)}
        arms: list[tuple[Arm, Callable[[], Round]]] = [(good, partial(taker.take_new, GOOD // part, CONNECTIONS))]
        for kind, arm in forged.items():
            refuse = partial(taker.refuse, kind, FORGED, TIMES // part, CONNECTIONS)
            arms.append((arm, partial(_without_a_write, at.ledger, refuse)))
        by_turns(arms, rounds=rounds, on_round=options.on_round)
    checks = [at_most(f"processor time of a {kind}", _cpu(arm) / _cpu(good), OF_GOOD) for kind, arm in forged.items()]
    return Found(arms=(good, *forged.values()), checks=checks, left_out=at.left_out)


def _cpu(arm: Arm) -> float:
    if arm.cpu_us is None:
        raise CannotMeasure(NO_CPU)
    return arm.cpu_us


def _without_a_write(file: Path, work: Callable[[], Round]) -> Round:
    """Raise BenchFailed when a byte of the ledger has changed after the work."""
    before = _digests(file)
    found = work()
    if _digests(file) != before:
        raise BenchFailed("a forged callback has changed the file of the ledger")
    return found


def _digests(file: Path) -> list[str]:
    """Of the ledger and of its log."""
    parts = [file, file.with_name(f"{file.name}-wal")]
    return [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts if part.exists()]


CASE = Case(
    name="forged",
    title="forged callbacks beside good ones",
    measure=measure,
)

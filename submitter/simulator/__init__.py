"""Five asynchronous video platforms as one local server, with a menu of faults.

`whenfinal simulate`, the demo and the tests run it in place of the real platforms. It imports nothing else of this
project and is written from the platforms' documents alone, so that it and the adapters are two independent readings.

A request runs through `request_pipeline`: key, rate limit, idempotency, field rules, balance, faults, answer. A module
of `platforms` knows the paths, bodies, words and error envelopes of one platform. `world` holds the state of a run,
`records` shows what happened as immutable values: a created task is a paid task. All durations that stand for a
provider's own time are divided by the configured speed. The seed decides every duration, outcome and random fault.
"""

from submitter.simulator.config import DOCUMENTED_LIMITS, NO_LIMITS, PLATFORMS, UNLIMITED, Limit, SimulatorConfig
from submitter.simulator.faults import MENU, UnknownFaultError
from submitter.simulator.records import Records, RefusedSubmit, TaskRecord, ThrottledRequest
from submitter.simulator.server import Simulator, create_app, run, running
from submitter.simulator.task import CallbackAttempt, TaskEndedError, TaskError
from submitter.simulator.world import UnknownTaskError

__all__ = [
    "DOCUMENTED_LIMITS",
    "MENU",
    "NO_LIMITS",
    "PLATFORMS",
    "UNLIMITED",
    "CallbackAttempt",
    "Limit",
    "Records",
    "RefusedSubmit",
    "Simulator",
    "SimulatorConfig",
    "TaskEndedError",
    "TaskError",
    "TaskRecord",
    "ThrottledRequest",
    "UnknownFaultError",
    "UnknownTaskError",
    "create_app",
    "run",
    "running",
]

"""Five asynchronous video platforms as one local server, with a fault menu. It imports nothing else of this project.

Written from the platforms' documents alone, so that it and the adapters are two independent readings of them.
"""

from submitter.simulator.app import create_app
from submitter.simulator.config import DOCUMENTED_LIMITS, NO_LIMITS, PLATFORMS, UNLIMITED, Limit, SimulatorConfig
from submitter.simulator.faults import MENU, UnknownFaultError
from submitter.simulator.records import BookedTask, Books, RefusedSubmit, ThrottledRequest
from submitter.simulator.server import Simulator, run, running
from submitter.simulator.task import CallbackAttempt, TaskEndedError, TaskError
from submitter.simulator.world import UnknownTaskError

__all__ = [
    "DOCUMENTED_LIMITS",
    "MENU",
    "NO_LIMITS",
    "PLATFORMS",
    "UNLIMITED",
    "BookedTask",
    "Books",
    "CallbackAttempt",
    "Limit",
    "RefusedSubmit",
    "Simulator",
    "SimulatorConfig",
    "TaskEndedError",
    "TaskError",
    "ThrottledRequest",
    "UnknownFaultError",
    "UnknownTaskError",
    "create_app",
    "run",
    "running",
]

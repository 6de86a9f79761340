"""The simulated platforms with tasks in them, in a process of their own, without limits of rate.

`python -m tests.bench.simulated PORT TASKS`: of HiAPI's tasks each third has succeeded, and the others run on. It
serves until it is stopped.
"""

import sys
import time

import uvicorn

from submitter.simulator.config import NO_LIMITS, SimulatorConfig
from submitter.simulator.server import create_app
from submitter.simulator.task import NEVER, Clip, Draft, Phase, Task
from submitter.simulator.world import World
from tests.bench.calling import provider_name_of

MODEL = "happyhorse-1.1/text-to-video"
ENDED_EACH = 3  # each so many-th task has ended


def fill(world: World, tasks: int, origin: str) -> None:
    now_s = time.time()
    draft = Draft(model=MODEL, prompt="a fox", body={"model": MODEL, "input": {"prompt": "a fox"}}, clip=Clip())
    for number in range(tasks):
        name = provider_name_of(number)
        world.tasks[name] = Task(
            platform="hiapi",
            task_id=name,
            draft=draft,
            raw=b"{}",
            headers={},
            origin=origin,
            faults=frozenset(),
            created_s=now_s - 120,
            ends_s=NEVER if number % ENDED_EACH else now_s - 1,
            outcome=Phase.SUCCEEDED,
        )


def serve(port: int, tasks: int) -> None:
    app = create_app(SimulatorConfig(limits=NO_LIMITS))
    fill(app.state.world, tasks, f"http://127.0.0.1:{port}")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, ws="none")


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))

"""`python -m submitter.simulator`: the simulator from a shell."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from submitter.simulator.config import NO_LIMITS, PLATFORMS, SimulatorConfig
from submitter.simulator.faults import MENU, check_fault_names
from submitter.simulator.server import run


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    wanted = _parser().parse_args(arguments)
    config = config_of(wanted)
    sys.stdout.write(f"simulator on http://{wanted.host}:{wanted.port}/ (base URLs and keys are shown there)\n")
    sys.stdout.flush()
    run(config, wanted.host, wanted.port)


def config_of(wanted: argparse.Namespace) -> SimulatorConfig:
    """The configuration that the command line describes."""
    return SimulatorConfig(
        seed=wanted.seed,
        speed=wanted.speed,
        keys=dict(wanted.key),
        webhook_secrets=dict.fromkeys(PLATFORMS) if wanted.unsigned else dict(wanted.secret),
        modellix_async_path=wanted.modellix_async_path,
        median_s=wanted.median,
        sigma=wanted.sigma,
        failure_rate=wanted.failure_rate,
        faults=dict(wanted.fault),
        limits=NO_LIMITS if wanted.no_limits else {},
        quota=dict(wanted.quota),
    )


def _parser() -> argparse.ArgumentParser:
    menu = "\n".join(f"  {name:24} {meaning}" for name, meaning in MENU.items())
    parser = argparse.ArgumentParser(
        prog="python -m submitter.simulator",
        description="Asynchronous video platforms on one local port.",
        epilog=f"faults:\n{menu}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=1, help="for the random durations, outcomes and faults")
    parser.add_argument("--speed", type=_positive, default=1.0, help="provider seconds per real second")
    parser.add_argument("--median", type=_positive, default=120.0, help="median task duration in provider seconds")
    parser.add_argument("--sigma", type=float, default=0.15, help="spread of the log-normal duration")
    parser.add_argument("--failure-rate", type=float, default=0.0, metavar="CHANCE")
    _add_platform_options(parser)
    return parser


def _add_platform_options(parser: argparse.ArgumentParser) -> None:
    lists: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--fault", type=_chance, metavar="NAME=CHANCE", help="may be repeated", **lists)
    parser.add_argument("--key", type=_pair, metavar="PLATFORM=KEY", help="the bearer key to accept", **lists)
    parser.add_argument(
        "--quota", type=_quota, metavar="PLATFORM=TASKS", help="tasks that the balance pays for", **lists
    )
    parser.add_argument("--no-limits", action="store_true", help="no rate or concurrency limits")
    parser.add_argument(
        "--secret", type=_pair, metavar="PLATFORM=SECRET", help="the secret that signs its callbacks", **lists
    )
    parser.add_argument("--unsigned", action="store_true", help="callbacks without a signature made with a secret")
    parser.add_argument("--modellix-async-path", choices=("both", "suffix", "plain"), default="both")


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return value


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or name not in PLATFORMS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(PLATFORMS)}, an equals sign and a value")
    return name, value


def _quota(text: str) -> tuple[str, int]:
    name, value = _pair(text)
    return name, int(value)


def _chance(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        check_fault_names([name])
        chance = float(value or "1")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not 0 <= chance <= 1:
        raise argparse.ArgumentTypeError("a chance is between 0 and 1")
    return name, chance


if __name__ == "__main__":
    main()

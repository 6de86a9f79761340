"""The made-up environment of the demo's processes: settings for a receiver beside a simulator on this machine.

Pure. Nothing of the real environment is in it, so that no real key can be spent and no setting of the user's changes
what is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from submitter.simulator import PLATFORMS, SimulatorConfig
from submitter.simulator.config import BASE_PATHS

#: Provider seconds in one of ours: a task takes some 4 s, and a callback is missed after 6 s.
SPEED = 30.0

_HURRIED: Mapping[str, str] = {
    # A process that is killed holds its leases until they run out, and an unanswered submit until its timeout.
    "WHENFINAL_LEASE_S": "6",
    "WHENFINAL_PROVIDER_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_CONNECT_S": "2",
    "WHENFINAL_WEBHOOK_TIMEOUT_S": "5",
    "WHENFINAL_WEBHOOK_BACKOFF_S": "1,2,4,8,8,8,8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """`webhook` is the `whsec_…` of the tasks' own `notify`; subscriptions get theirs from the receiver."""

    api: str = field(repr=False)
    signing: str = field(repr=False)
    webhook: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are: origins without a slash at the end, and an absolute directory."""

    directory: PurePath
    simulator: str
    receiver: str


def make_environment(places: Places, keys: Keys) -> dict[str, str]:
    """All that the demo's processes know of the world."""
    simulated = SimulatorConfig()
    return {
        "HOME": str(places.directory),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
        "WHENFINAL_PUBLIC_URL": places.receiver,
        "WHENFINAL_DATABASE_URL": f"sqlite:///{places.directory / 'ledger.db'}",
        "WHENFINAL_SECRET_KEYS": keys.signing,
        "WHENFINAL_API_KEYS": f"demo:submit+read+operate:{keys.api}",
        "WHENFINAL_PROVIDER_SPEED": f"{SPEED:g}",
        "WHENFINAL_ALLOW_PRIVATE": "127.0.0.1/32",
        **_HURRIED,
        **{f"{name.upper()}_API_KEY": simulated.key(name) for name in PLATFORMS},
        **{f"{name.upper()}_BASE_URL": places.simulator + BASE_PATHS[name] for name in PLATFORMS},
        "HIAPI_WEBHOOK_SECRET": simulated.hiapi_webhook_secret or "",
    }

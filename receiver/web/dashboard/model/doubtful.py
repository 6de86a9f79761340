"""The list of uncertain tasks, and what of it is accepted in bulk. Pure."""

import hashlib
import json
from collections.abc import Mapping

from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import ListFilter

DOUBTFUL = ListFilter(
    path=f"{ROOT}/doubtful",
    names=("provider", "since", "until"),
    views=(("All", ()), ("Older than 1 hour", (("until", "1h"),)), ("Older than 1 day", (("until", "1d"),))),
)

LOOK_KEPT_MS = 86_400_000  # what was seen longer ago is not shown


def digest_of(accepted: Mapping[str, Mapping[str, str]]) -> str:
    """The same for the same tasks with the same ids alone."""
    return hashlib.sha256(
        json.dumps(sorted((name, each["id"]) for name, each in accepted.items())).encode()
    ).hexdigest()

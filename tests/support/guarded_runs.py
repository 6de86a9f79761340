"""The guarded statements of runs of operators, and of processes."""

from collections.abc import Mapping

from tests.support.guarded import LATER, LATEST, NOW, Guarded

_RUN = {
    "id": "r",
    "nonce": "n",
    "kind": "k",
    "state": "running",
    "condition": "{}",
    "notes": "[]",
    "done": 0,
    "failed": 0,
}

GUARDED_RUNS: Mapping[str, Guarded] = {
    "save_run": Guarded(
        table="operator_runs",
        row={**_RUN, "lease_owner": "me", "lease_until_ms": LATER},
        params={
            "id": "r",
            "owner": "me",
            "done": 3,
            "failed": 1,
            "notes": "[]",
            "state": "running",
            "cursor": "c",
            "ended_ms": None,
            "last_error": None,
            "until_ms": LATEST,
        },
        takes=({"lease_until_ms": NOW},),  # nobody else has taken it on
        leaves=({"id": "q"}, {"lease_owner": "other"}, {"lease_owner": None}, {"state": "stopped"}),
    ),
    "save_stopped_run": Guarded(
        table="operator_runs",
        row={**_RUN, "state": "stopped", "lease_owner": "me"},
        params={"id": "r", "owner": "me", "done": 3, "failed": 1, "notes": "[]", "last_error": None},
        leaves=(
            {"id": "q"},
            {"lease_owner": "other"},
            {"lease_owner": None},
            {"state": "running"},
            {"state": "finished"},
            {"state": "failed"},
        ),
    ),
    "renew_run": Guarded(
        table="operator_runs",
        row={**_RUN, "lease_owner": "me", "lease_until_ms": LATER},
        params={"id": "r", "owner": "me", "until_ms": LATEST},
        takes=({"lease_until_ms": NOW},),
        leaves=({"id": "q"}, {"lease_owner": "other"}, {"lease_owner": None}, {"state": "stopped"}),
    ),
    "delete_old_runs": Guarded(
        table="operator_runs",
        row={**_RUN, "state": "finished"},
        params={"before": "s"},
        takes=({"state": "failed"},),
        leaves=({"id": "s"}, {"id": "t"}, {"state": "running"}),
    ),
    "remove_old_processes": Guarded(
        table="processes",
        row={"id": "p", "role": "web", "seen_ms": NOW - 1},
        params={"before_ms": NOW},
        leaves=({"seen_ms": NOW}, {"seen_ms": LATER}),
    ),
    "stop_run": Guarded(
        table="operator_runs",
        row=_RUN,
        params={"id": "r", "state": "stopped", "now_ms": NOW},
        leaves=({"id": "q"}, {"state": "finished"}, {"state": "failed"}, {"state": "stopped"}),
    ),
}

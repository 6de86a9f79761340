"""The guarded statements of runs of operators, of processes and of API keys."""

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

_KEY = {"id": "k", "name": "ci", "sha256": "d", "scopes": "[]", "last_used_ms": None, "revoked_ms": None}

GUARDED_RUNS: Mapping[str, Guarded] = {
    "revoke_api_key": Guarded(
        table="api_keys",
        row=_KEY,
        params={"id": "k", "now_ms": NOW},
        leaves=({"id": "q"}, {"revoked_ms": NOW - 1}, {"revoked_ms": LATER}),
    ),
    "forget_revoked_api_keys": Guarded(
        table="api_keys",
        row={**_KEY, "revoked_ms": NOW - 1},
        params={"before_ms": NOW, "first": "f"},
        leaves=({"id": "f"}, {"revoked_ms": NOW}, {"revoked_ms": None}),
    ),
    "use_api_key": Guarded(
        table="api_keys",
        row=_KEY,
        params={"id": "k", "used_ms": LATEST, "before_ms": NOW},
        takes=({"last_used_ms": NOW}, {"last_used_ms": NOW - 1}),
        leaves=({"id": "q"}, {"last_used_ms": LATER}, {"revoked_ms": NOW}),
    ),
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

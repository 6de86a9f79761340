"""What the demo reads: the simulator's records, and the ledger's timelines. And the operator's decision from both.

The records are the providers' truth. The operator settles uncertain submits by them, as a person does by the
provider's console: a task belongs to ours when it is of the same provider, not known to the ledger, created at about
the time of our submit, and has our prompt.
"""

import base64
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from receiver.cli.demo.scenario import prompts_in
from receiver.cli.demo.tally import LedgerTask, Paid, TaskKey, last_part

EARLIEST_S = 1  # before our submit; two clocks of one machine, read a moment apart

LATEST_S = 30  # after our submit, which may have been repeated with pauses

_REPORTED_ENDS = frozenset({"succeeded", "failed"})

_ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """A task of ours whose submit got no clear answer."""

    task: str
    provider: str
    created_ms: int
    prompt: str


def paid_task(record: Mapping[str, Any]) -> Paid:
    """From an item of `GET /_simulator/books`."""
    is_contradicted = any(
        attempt["reported"] in _REPORTED_ENDS - {record["state"]}
        and attempt["status"] is not None
        and 200 <= attempt["status"] < 300
        for attempt in record["callbacks"]
    )
    return Paid(
        provider=record["platform"],
        provider_task_id=last_part(record["task_id"]),
        created_ms=record["created_ms"],
        body=base64.b64decode(record["raw_body_base64"]).decode(errors="replace"),
        state=record["state"],
        is_ended=record["state"] in _REPORTED_ENDS,
        contradicted=is_contradicted,
        awaits_contradiction="callback_contradicting" in record["faults"] and not is_contradicted,
        is_stuck="stuck" in record["faults"],
    )


def faults_met(records: Mapping[str, Any]) -> dict[str, int]:
    """How often each fault was met, and how often a submit was refused for each reason."""
    faults = Counter(fault for task in records["tasks"] for fault in task["faults"])
    refusals = Counter(f"submit refused ({refusal['reason']})" for refusal in records["refused"])
    return dict(sorted((faults + refusals).items()))


def ledger_task(task: Mapping[str, Any], timeline: Sequence[Mapping[str, Any]]) -> LedgerTask:
    """From a task and its timeline, as the API shows them."""
    observations = [entry["detail"] for entry in timeline if entry["kind"] == "observation"]
    ends = [each["source"] for each in observations if each["verdict"] == "applied" and each["state"] in _ENDS]
    return LedgerTask(
        task=task["id"],
        provider=task["provider"],
        provider_task_id=task["task_id"] and last_part(task["task_id"]),
        ended_by=ends[0] if ends else None,
        contradictions=sum(each["verdict"] == "contradiction" for each in observations),
    )


def settlements(
    uncertain: Sequence[Uncertain], records: Sequence[Paid], *, known: Collection[TaskKey]
) -> dict[str, str | None]:
    """For each uncertain task, by our id: the provider's id of it, or None where nothing was created.

    `known` are the provider's tasks in the ledger. No task of the provider is given to two of ours.
    """
    taken = set(known)
    found: dict[str, str | None] = {}
    for task in sorted(uncertain, key=lambda each: each.created_ms):
        match = next((each for each in records if _fits(task, each) and each.key not in taken), None)
        if match is not None:
            taken.add(match.key)
        found[task.task] = None if match is None else match.provider_task_id
    return found


def likely_mistake(found: Mapping[str, str | None], records: Sequence[Paid]) -> tuple[str, str] | None:
    """A task of ours and the id of another one at the same provider, which does not end before it is put right.

    None where no two uncertain tasks of one provider were found, one of them with a task that is stuck.
    """
    by_id = {each.provider_task_id: each for each in records}
    adopted = {task_id: by_id[theirs] for task_id, theirs in found.items() if theirs is not None}
    for stuck in (record for record in adopted.values() if record.is_stuck and not record.is_ended):
        for task_id, record in adopted.items():
            if record.provider == stuck.provider and record is not stuck:
                return task_id, stuck.provider_task_id
    return None


def settle_arguments(task: str, provider_task_id: str | None) -> tuple[str, ...]:
    """The words after `whenfinal`."""
    outcome = ("--refused",) if provider_task_id is None else ("--task-id", provider_task_id)
    return ("tasks", "settle", task, *outcome, "--yes")


def _fits(task: Uncertain, record: Paid) -> bool:
    after_s = (record.created_ms - task.created_ms) / 1000
    is_near = -EARLIEST_S <= after_s <= LATEST_S
    return record.provider == task.provider and is_near and task.prompt in _prompts_of(record.body)


def _prompts_of(body: str) -> set[str]:
    try:
        return set(prompts_in(json.loads(body)))
    except ValueError:
        return set()

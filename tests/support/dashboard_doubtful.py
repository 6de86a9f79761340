"""A look at the providers' lists for looks at the dashboard: clear, not clear, denied, and words with markup."""

from receiver.runtime.operator_runs.acts.candidates import LOOK
from receiver.runtime.operator_runs.model import ItemResult, OperatorRun, after_page
from receiver.store.codec import to_json
from tests.support.service import Served


def _candidate(number: int, words: str, *, fits: bool = True, rivals: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "id": f"86ec6be6-2b38-4db8-83b7-00000000{number:04}",
        "state": "SUCCEEDED",
        "model": "happyhorse-1.1/reference-to-video" if fits else words,
        "created_ms": 1,
        "after_ms": 900 * number,
        "same_model": fits,
        "same_prompt": True if fits else None,
        "prompt": "A lighthouse keeper climbs the stairs with a lamp" if fits else words,
        "fits": fits,
        "rivals": list(rivals),
    }


async def fill_looks(service: Served, task_ids: list[str], words: str) -> str:
    """What one look of an operator found for three tasks; return the id of its run."""
    runs, now_ms = service.services.store.runs, service.services.clock()
    first, second, third = task_ids
    found = [
        {"problem": "", "why": "", "listed": 214, "clear": _candidate(1, words)["id"], "more": 0,
         "candidates": [_candidate(1, words), _candidate(2, words, fits=False)]},
        {"problem": "", "why": f"it fits {first} as well", "listed": 214, "clear": None, "more": 3,
         "candidates": [_candidate(3, words, rivals=(first,)), _candidate(4, words)]},
        {"problem": "cannot be listed: the provider denies our key: " + words, "candidates": []},
    ]  # fmt: skip
    results = [
        ItemResult(item=name, words="found", found=to_json(each))
        for name, each in zip((first, second, third), found, strict=True)
    ]
    at_ms = now_ms - 240_000
    draft = OperatorRun(
        id=runs.new_run_id(at_ms),
        nonce="n" * 22,
        kind=LOOK,
        actor="key ops-lena",
        condition={"tasks": task_ids},
        expected=3,
        created_ms=at_ms,
    )
    await runs.start(draft, now_ms=at_ms)
    leased = await runs.lease("w", now_ms=at_ms, lease_ms=1_000, kinds=[draft.kind], run_id=draft.id)
    assert leased is not None
    assert await runs.save(after_page(leased, results, None, at_ms), "w", until_ms=at_ms)
    return draft.id

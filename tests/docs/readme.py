"""The parts of the README that are made from the code: `python tests/docs/readme.py` writes them into it."""

import re
from pathlib import Path

from receiver.settings import render_readme_table
from submitter.providers.contract import Capabilities, ModelFamily
from submitter.providers.registry import ADAPTERS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

FAULTS = "tests/system/test_ledger_faults.py"

#: What a user may build on, and the test that proves it: file and name.
PROMISES: tuple[tuple[str, str], ...] = (
    (
        "Exactly one terminal event per task, however often and by whomever its end is reported",
        "tests/store/test_record.py::test_thirty_callbacks_at_once_make_one_event",
    ),
    (
        "The first reported end wins for ever; another one is kept as a contradiction and makes no event",
        "tests/store/test_record.py::test_a_contradiction_is_on_the_timeline_and_makes_no_event",
    ),
    (
        "A callback may come before, during or after the receipt, and finds its task",
        "tests/flows/test_intake.py::test_a_callback_that_beats_the_receipt_finds_its_task",
    ),
    (
        "A callback is answered 2xx only once it is durable; otherwise 503 with `Retry-After`",
        f"{FAULTS}::test_a_disk_that_is_full_at_commit_answers_503_and_what_was_answered_204_is_kept",
    ),
    (
        "A killed process loses nothing that was answered",
        f"{FAULTS}::test_kill_9_amid_callbacks_loses_nothing_that_was_answered",
    ),
    (
        "The intent is durable before any money can be spent",
        "tests/flows/test_submit.py::test_intent_comes_before_money_and_the_outcome_is_kept",
    ),
    (
        "A lost reply is never paid for twice, with or without an idempotency key at the provider",
        "tests/flows/test_bootstrap.py::test_a_lost_reply_at_a_platform_without_keys_is_never_paid_twice",
    ),
    (
        "The same `Idempotency-Key` and body give the same task, at every provider",
        "tests/flows/test_submission.py::test_the_same_key_and_order_give_the_same_task_and_one_post",
    ),
    (
        "A missed callback is noticed, and the provider asked",
        "tests/flows/test_reconciler_over_sockets.py::test_every_platforms_tasks_end_once_though_no_callback_ever_comes",
    ),
    (
        "An unknown state word is not an end; “not found” is not a failure",
        "tests/flows/test_reconciler_over_sockets.py::test_no_fault_of_a_status_query_ends_a_task_wrongly",
    ),
    (
        "A callback token works for its own task only",
        "tests/flows/test_intake.py::test_a_token_never_works_for_another_task",
    ),
    (
        "Where a webhook secret is set, an unsigned callback never counts",
        "tests/flows/test_intake.py::test_where_a_secret_is_set_a_token_cannot_replace_the_signature",
    ),
    (
        "Events are numbered without a gap, in the order of their commits",
        "tests/store/test_record.py::test_event_numbers_have_no_gap_and_the_body_carries_them",
    ),
    (
        "Webhooks verify with other makers' Standard Webhooks libraries",
        "tests/unit/test_webhooks.py::test_what_we_sign_the_published_libraries_verify",
    ),
    (
        "A slow or hanging provider holds back neither the others nor the callbacks",
        "tests/flows/test_reconciler.py::test_a_provider_that_hangs_holds_back_neither_results_nor_the_next_turn",
    ),
    (
        "Secrets reach neither the log nor an error",
        "tests/unit/test_journal.py::test_no_secret_is_written",
    ),
)


def render(name: str) -> str:
    return {"providers": provider_table, "settings": render_readme_table, "promises": promise_table}[name]()


def blocks(text: str) -> dict[str, str]:
    """What stands between the markers, by name."""
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", text, re.DOTALL)
    return {name: body.strip("\n") for name, body in found}


def provider_table() -> str:
    rows = [_provider_row(name, adapter.CAPABILITIES) for name, adapter in ADAPTERS.items()]
    head = "| `provider` | platform | `model` in `video` | end told by | after a lost reply | asked |"
    return "\n".join([head, "| --- " * 6 + "|", *rows])


def _provider_row(name: str, can: Capabilities) -> str:
    models = "<br>".join(f"{_names(family)} {_limits(family)}" for family in can.families)
    told = "callback, else asked" if can.callback else "asked"
    lost = "repeated under its key" if can.idempotency_s else "`uncertain`, never repeated"
    asked = (
        f"after {can.poll.first_s:g} s, then each {can.poll.every_s:g} s; at most {can.budget.per_s * 60:g} a minute"
    )
    return f"| `{name}` | {can.title} | {models or 'by `raw`'} | {told} | {lost} | {asked} |"


def _names(family: ModelFamily) -> str:
    return ", ".join(f"`{model}`" for model in family.models)


def _limits(family: ModelFamily) -> str:
    pictures = (
        f"{family.reference_images[0]}–{family.reference_images[1]} pictures, " if family.reference_images else ""
    )
    first = "first frame, " if family.first_frame else ""
    ratios = f"{len(family.ratios)} ratios" if family.ratios else "ratio of the picture"
    return f"({pictures}{first}{family.duration_s[0]}–{family.duration_s[1]} s, {ratios})"


def promise_table() -> str:
    rows = [f"| {words} | `{test}` |" for words, test in PROMISES]
    return "\n".join(["| promise | proved by |", "| --- | --- |", *rows])


def write() -> None:
    text = README.read_text(encoding="utf-8")
    for name in blocks(text):
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{opening}{render(name)}\n{closing}{after}"
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()

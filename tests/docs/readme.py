"""The parts of the README that are made from the code: `python tests/docs/readme.py` writes them into it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from receiver.config.reference import render_readme_table
from submitter.providers.contract import Capabilities, ModelFamily
from submitter.providers.registry import ADAPTERS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

FAULTS = "tests/system/test_ledger_faults.py"
MANNERS = "tests/integration/webhooks/test_endpoint_health.py"

#: What a user may build on, and the test that proves it: file and name.
PROMISES: tuple[tuple[str, str], ...] = (
    (
        "Exactly one terminal event per task, however often and by whomever its end is reported",
        "tests/integration/tasks/test_ledger.py::test_thirty_callbacks_at_once_make_one_event",
    ),
    (
        "The first reported end wins for ever; another one is kept as a contradiction and makes no event",
        "tests/integration/tasks/test_ledger.py::test_a_contradiction_is_on_the_timeline_and_makes_no_event",
    ),
    (
        "A callback may come before, during or after the receipt, and finds its task",
        "tests/integration/callbacks/test_intake.py::test_a_callback_that_beats_the_receipt_finds_its_task",
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
        "tests/integration/tasks/test_submission.py::test_intent_comes_before_money_and_the_outcome_is_stored",
    ),
    (
        "A lost reply is never paid for twice, with or without an idempotency key at the provider",
        "tests/integration/runtime/test_wiring.py::test_a_lost_reply_at_a_platform_without_keys_is_never_paid_twice",
    ),
    (
        "The same `Idempotency-Key` and body give the same task, at every provider",
        "tests/integration/tasks/test_submission.py::test_the_same_key_and_request_give_the_same_task_and_one_post",
    ),
    (
        "A missed callback is noticed, and the provider asked",
        "tests/integration/reconcile/test_reconciler_over_sockets.py::test_every_platforms_tasks_end_once_though_no_callback_ever_comes",
    ),
    (
        "An unknown state word is not an end; “not found” is not a failure",
        "tests/integration/reconcile/test_reconciler_over_sockets.py::test_no_fault_of_a_status_query_ends_a_task_wrongly",
    ),
    (
        "A callback token works for its own task only",
        "tests/integration/callbacks/test_intake.py::test_a_token_never_works_for_another_task",
    ),
    (
        "Where a webhook secret is set, an unsigned callback never counts",
        "tests/integration/callbacks/test_intake.py::test_where_a_secret_is_set_a_token_cannot_replace_the_signature",
    ),
    (
        "Events are numbered without a gap, in the order of their commits",
        "tests/integration/tasks/test_ledger.py::test_event_numbers_have_no_gap_and_the_body_carries_them",
    ),
    (
        "Webhooks verify with other makers' Standard Webhooks libraries",
        "tests/unit/submitter/test_standard_webhooks.py::test_what_we_sign_the_published_libraries_verify",
    ),
    (
        "A slow or hanging provider holds back neither the others nor the callbacks",
        "tests/integration/reconcile/test_reconciler.py::test_a_provider_that_hangs_holds_back_neither_results_nor_the_next_turn",
    ),
    (
        "On Postgres a `web` and a `worker` killed under load cost nothing: lost 0, doubled 0, paid twice 0",
        "tests/system/test_many_nodes.py::test_a_web_and_a_worker_killed_under_load_lose_nothing_and_double_nothing",
    ),
    (
        "Eight processes that record the same ends at once make one event each, numbered without a gap",
        "tests/integration/store/test_many_nodes.py::test_eight_nodes_that_hear_the_same_at_once_give_one_event_for_each_task",
    ),
    (
        "While Postgres is away callbacks are answered 503, never a false 2xx, and all goes on by itself",
        "tests/integration/store/test_postgres_faults.py::test_a_restart_amid_callbacks_loses_nothing_and_doubles_nothing_and_deliveries_go_on",
    ),
    (
        "A ledger is moved between SQLite and Postgres whole or not at all, checked table by table",
        "tests/integration/store/test_transfer.py::test_a_move_that_was_killed_leaves_an_empty_target_and_may_be_done_again",
    ),
    (
        "Secrets reach neither the log nor an error",
        "tests/unit/runtime/test_log.py::test_no_secret_is_written",
    ),
)

#: What a subscriber may build on, in the same form.
SUBSCRIBER_PROMISES: tuple[tuple[str, str], ...] = (
    (
        "Every event that a subscription wants is posted to it until it is answered 2xx or the attempts are spent",
        "tests/integration/webhooks/test_endpoints.py::test_every_subscription_that_wants_an_event_gets_it_under_the_same_id_with_its_own_signature",
    ),
    (
        "The same event keeps its `webhook-id` and its body: repeated, redelivered or replayed",
        "tests/integration/webhooks/test_replay.py::test_a_replayed_webhook_has_the_same_id_and_body_and_a_signature_of_now",
    ),
    (
        "Webhooks verify with the published packages `standardwebhooks`, `svix` and `openai`",
        "tests/integration/webhooks/test_published_verifiers.py::test_a_published_library_verifies_a_delivery_in_a_rotation",
    ),
    (
        "While a secret is rotated both secrets sign, for 24 hours unless said otherwise",
        "tests/integration/webhooks/test_endpoints.py::test_a_rotated_secret_signs_beside_the_one_before_until_the_overlap_ends",
    ),
    (
        "`seq` is in every body; following it, nothing is missed and nothing seen twice",
        "tests/integration/webhooks/test_endpoints.py::test_every_body_says_its_place_in_the_one_order_of_events",
    ),
    (
        "Webhook, page and stream tell the same event, under the same filters",
        "tests/integration/client/test_events.py::test_a_webhook_tells_the_same_event_as_the_stream",
    ),
    (
        "A stream that breaks is resumed with `Last-Event-ID` and misses nothing; the client does so by itself",
        "tests/integration/client/test_events.py::test_every_event_comes_once_and_in_order_through_a_line_that_keeps_breaking",
    ),
    (
        "A cursor older than what is kept is told so, and where to go on: 410, or a `reset` event",
        "tests/integration/client/test_events.py::test_a_cursor_older_than_what_is_kept_is_told_by_pages_and_by_the_stream",
    ),
    (
        "A stream in another process on the same file is at most one look of 100 ms behind",
        "tests/integration/web/test_stream.py::test_an_event_that_another_process_recorded_is_told_without_a_hint",
    ),
    (
        "A wait for a task that has ended already is answered at once",
        "tests/integration/events/test_feed.py::test_what_has_ended_or_is_not_there_is_not_waited_for",
    ),
    (
        "10,000 idle streams and waits fit into one process",
        "tests/system/test_many_streams.py::test_ten_thousand_wait_and_listen_in_one_process",
    ),
    (
        "429, 503 and `Retry-After` slow your whole subscription down, and spend no attempt of what waits",
        f"{MANNERS}::test_one_request_to_wait_makes_the_whole_subscription_wait_and_spends_no_attempt",
    ),
    (
        "An endpoint that fails is probed by one delivery at a time, and what waits spends no attempts meanwhile",
        f"{MANNERS}::test_after_five_failures_due_deliveries_wait_until_one_probe_is_answered",
    ),
    (
        "No more at once and no faster than the subscription says",
        f"{MANNERS}::test_a_subscriptions_own_rate_is_kept",
    ),
    (
        "Another subscriber that hangs, with whatever backlog, holds you up in nothing",
        f"{MANNERS}::test_one_subscription_that_hangs_with_a_long_backlog_holds_up_nobody_else",
    ),
    (
        "Five days of nothing but failures disable a subscription, as 410 does at once; an event tells the operator",
        f"{MANNERS}::test_five_days_of_nothing_but_failures_disable_a_subscription_with_the_last_reason",
    ),
    (
        "What a disabled subscription was owed comes once it is enabled again",
        f"{MANNERS}::test_what_a_disabled_subscription_was_owed_comes_once_it_is_enabled_again",
    ),
    (
        "A range of events can be replayed by number, time and filter; what is due already is never doubled",
        "tests/integration/webhooks/test_replay_repository.py::test_replays_and_deliveries_side_by_side_never_double_what_is_due",
    ),
    (
        "A replay never keeps waiting what happens now",
        "tests/integration/webhooks/test_isolation.py::test_what_happens_now_does_not_wait_behind_a_replay",
    ),
    (
        "Nothing that is still owed is pruned",
        "tests/integration/store/test_retention_statements.py::test_no_event_goes_at_or_beyond_one_that_is_still_owed",
    ),
    (
        "Redirects are never followed, and no address inside is reached, whatever its name resolves to by then",
        "tests/integration/webhooks/test_endpoints.py::test_a_name_that_comes_to_point_inside_is_refused_at_connect",
    ),
    (
        "The CloudEvents handshake is asked before anything is stored, and the granted rate is kept",
        "tests/integration/webhooks/test_handshake.py::test_the_rate_that_an_endpoint_grants_becomes_its_limit",
    ),
)


def render(name: str) -> str:
    made: dict[str, Callable[[], str]] = {
        "providers": provider_table,
        "settings": render_readme_table,
        "promises": lambda: promise_table(PROMISES),
        "subscriber": lambda: promise_table(SUBSCRIBER_PROMISES),
    }
    return made[name]()


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


def promise_table(promises: Sequence[tuple[str, str]]) -> str:
    rows = [f"| {words} | `{test}` |" for words, test in promises]
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

"""What a user may rely on, each with the test that proves it: `receiver/docs/guarantees.md`."""

#: For those who submit and operate: the sentence, and the test as file::name.
PROMISES: tuple[tuple[str, str], ...] = (
    (
        "A task gets exactly one terminal event, however often its end is reported and by whom",
        "tests/integration/tasks/test_ledger.py::test_thirty_callbacks_at_once_make_one_event",
    ),
    (
        "The first reported end is final; a different one is stored as a contradiction and makes no event",
        "tests/integration/tasks/test_ledger.py::test_a_contradiction_is_on_the_timeline_and_makes_no_event",
    ),
    (
        "A callback finds its task before, during and after the receipt",
        "tests/integration/callbacks/test_intake.py::test_a_callback_that_beats_the_receipt_finds_its_task",
    ),
    (
        "A callback is answered 2xx only after it is durable; otherwise 503 with `Retry-After`",
        "tests/system/test_ledger_faults.py::test_a_disk_that_is_full_at_commit_answers_503_and_what_was_answered_204_is_kept",
    ),
    (
        "A killed process loses nothing that was answered",
        "tests/system/test_ledger_faults.py::test_kill_9_amid_callbacks_loses_nothing_that_was_answered",
    ),
    (
        "A submit is durable before it is sent, because sending it may cost money",
        "tests/integration/tasks/test_submission.py::test_intent_comes_before_money_and_the_outcome_is_stored",
    ),
    (
        "A submit whose reply was lost is never paid for twice, with or without an idempotency key at the provider",
        "tests/integration/runtime/test_wiring.py::test_a_lost_reply_at_a_platform_without_keys_is_never_paid_twice",
    ),
    (
        "The same `Idempotency-Key` and body give the same task, at every provider",
        "tests/integration/tasks/test_submission.py::test_the_same_key_and_request_give_the_same_task_and_one_post",
    ),
    (
        "A scrape of `/metrics` never reads the ledger; while it is locked the last gauges are shown, with their time",
        "tests/integration/web/test_metrics.py::test_a_scrape_of_a_locked_ledger_shows_the_last_snapshot_and_its_time",
    ),
    (
        "The dashboard shows API keys by name and scopes, and of a secret setting only that it is set",
        "tests/integration/web/dashboard/test_ledger_page.py::test_keys_show_by_name_and_scopes_and_nothing_secret_shows",
    ),
    (
        "Of an API key the ledger has its digest alone; the key is shown once, and a revoked one stops working",
        "tests/integration/web/test_keys.py::test_the_ledger_the_audit_and_the_log_hold_nothing_of_a_key",
    ),
    (
        "A limited API key reaches nothing outside of its limits on any route; a new route refuses it at first",
        "tests/integration/web/test_who_may.py::test_a_limited_key_is_answered_as_its_limits_say",
    ),
    (
        "A revoked API key is refused by every process within seconds; a new one works everywhere at once",
        "tests/integration/web/test_keys.py::test_another_process_takes_a_new_key_at_once_and_refuses_a_revoked_one_soon",
    ),
    (
        "A backup of a SQLite ledger in use is whole and checked, and its time is noted; a bad one leaves no file",
        "tests/system/test_cli_backup.py::test_a_ledger_is_copied_while_it_is_served_and_the_copy_can_be_served",
    ),
    (
        "The page of a task is told at once what happens to it; the notice ends with the session, and holds no reader",
        "tests/integration/web/dashboard/test_live.py::test_it_ends_with_the_session",
    ),
    (
        "A page of doubtful submits asks no provider by itself; one candidate is never accepted for two tasks",
        "tests/integration/web/dashboard/test_doubtful_page.py::test_one_candidate_is_never_given_to_two_tasks",
    ),
    (
        "A bulk redelivery shows its number and receivers first, and leaves alone what fits its filter no more",
        "tests/integration/web/dashboard/test_deliveries_pages.py::test_the_second_operator_sends_nothing_twice",
    ),
    (
        "A page, a document or a program is never handed on as a picture, film or sound, whatever it is said to be",
        "tests/integration/web/dashboard/test_task_page.py::test_what_is_no_media_by_its_first_bytes_is_not_handed_on",
    ),
    (
        "Callbacks that do not come are told after three tasks that ended by polls: once, until they come",
        "tests/integration/runtime/test_missed_callbacks.py::test_the_first_few_misses_are_told_once",
    ),
    (
        "A webhook carries the `traceparent` of its delivery, whose span links to that of the task's submit",
        "tests/integration/runtime/test_tracing.py::test_polls_and_deliveries_link_to_the_submit_and_it_to_its_caller",
    ),
    (
        "Each trouble of a night is found and cured at the pages, by the shell at a URL, and over the API",
        "tests/browser/test_night.py::test_each_trouble_of_a_night_is_found_and_cured",
    ),
    (
        "A post below `/ops` that does not prove to come from a page of ours does nothing",
        "tests/integration/web/dashboard/test_bad_input.py::test_a_post_that_does_not_prove_to_be_of_our_pages_does_nothing",
    ),
    (
        "A ledger that cannot be used is said in words on each page, and an act refused meanwhile is done once, later",
        "tests/integration/web/dashboard/test_bad_input.py::test_a_ledger_that_cannot_be_used_is_said_in_words_and_an_act_is_done_once_it_can",
    ),
    (
        "With a log of JSON every line of a process is JSON, also one that tells why it did not start",
        "tests/system/test_json_log.py::test_what_keeps_a_process_from_starting_is_told_in_json",
    ),
    (
        "A submit links to the `traceparent` of its request also where the task waited in the queue over a restart",
        "tests/integration/runtime/test_tracing.py::test_a_task_that_waits_keeps_the_trace_of_its_caller_over_a_restart",
    ),
    (
        "No task waits longer than ten minutes for its next poll, whatever was learned",
        "tests/unit/reconcile/test_poll_rule.py::test_no_poll_comes_before_the_least_gap_or_after_the_longest",
    ),
    (
        "Each end is learned from once, however many workers there are",
        "tests/integration/reconcile/test_learning.py::test_several_workers_learn_each_end_once",
    ),
    (
        "A provider that becomes ten times slower or faster is noticed, shown and learned anew",
        "tests/unit/reconcile/test_durations.py::test_a_provider_that_becomes_slower_or_faster_is_noticed_and_learned_anew",
    ),
    (
        "A clock that leaps a day ahead delays no task beyond the longest wait, and teaches nothing",
        (
            "tests/integration/reconcile/test_bad_times.py"
            "::test_a_clock_that_leaps_a_day_ahead_delays_no_task_for_longer_than_the_longest_wait_and_teaches_nothing"
        ),
    ),
    (
        "Pages of a task list that repeat, hang or lie cost a few requests, and each task still gets its own poll",
        (
            "tests/integration/reconcile/test_lists_over_sockets.py"
            "::test_pages_that_repeat_hang_or_lie_about_their_count_cost_a_few_requests"
        ),
    ),
    (
        "Callbacks that say that a task runs on put no poll off beyond the longest wait",
        (
            "tests/unit/reconcile/test_poll_times.py"
            "::test_callbacks_that_never_stop_put_no_poll_off_for_longer_than_the_longest_wait"
        ),
    ),
    (
        "What was learned and can not be read counts as if it were not there",
        "tests/integration/reconcile/test_learning.py::test_a_damaged_row_counts_as_absent_and_is_learned_anew",
    ),
    (
        "A missing callback is noticed, and the provider is polled",
        "tests/integration/reconcile/test_reconciler_over_sockets.py::test_every_platforms_tasks_end_once_though_no_callback_ever_comes",
    ),
    (
        "An unknown state word does not end a task, and “not found” does not fail it",
        "tests/integration/reconcile/test_reconciler_over_sockets.py::test_no_fault_of_a_status_query_ends_a_task_wrongly",
    ),
    (
        "A callback token works for its own task only",
        "tests/integration/callbacks/test_intake.py::test_a_token_never_works_for_another_task",
    ),
    (
        "If a webhook secret is set, a callback without a valid signature is refused",
        "tests/integration/callbacks/test_intake.py::test_where_a_secret_is_set_a_token_cannot_replace_the_signature",
    ),
    (
        "Events are numbered without gaps, in the order of their commits",
        "tests/integration/tasks/test_ledger.py::test_event_numbers_have_no_gap_and_the_body_carries_them",
    ),
    (
        "Webhooks verify with other Standard Webhooks libraries",
        "tests/unit/submitter/test_standard_webhooks.py::test_what_we_sign_the_published_libraries_verify",
    ),
    (
        "A slow or hanging provider delays neither other providers nor callbacks",
        "tests/integration/reconcile/test_reconciler.py::test_a_provider_that_hangs_delays_neither_results_nor_the_next_run",
    ),
    (
        "On Postgres, killing a `web` and a `worker` under load loses nothing, doubles nothing and pays nothing twice",
        "tests/system/test_many_nodes.py::test_a_web_and_a_worker_killed_under_load_lose_nothing_and_double_nothing",
    ),
    (
        "Eight processes that record the same ends at once make one event for each task, numbered without gaps",
        "tests/integration/store/test_many_nodes.py::test_eight_nodes_that_hear_the_same_at_once_give_one_event_for_each_task",
    ),
    (
        "While Postgres is away callbacks are answered 503, and work continues when it is back",
        "tests/integration/store/test_postgres_faults.py::test_a_restart_amid_callbacks_loses_nothing_and_doubles_nothing_and_deliveries_go_on",
    ),
    (
        "A ledger is copied between SQLite and Postgres whole or not at all, and every table is compared",
        "tests/integration/store/test_transfer.py::test_a_transfer_that_was_killed_leaves_an_empty_target_and_may_be_repeated",
    ),
    ("Secrets reach neither the log nor an error", "tests/unit/runtime/test_log.py::test_no_secret_is_written"),
    (
        "More tasks than an account takes wait in a queue and are sent as fast as it allows; none is refused for that",
        "tests/system/test_queue_at_the_limits.py::test_a_thousand_tasks_in_one_file_are_done_as_fast_as_the_account_allows",
    ),
    (
        "Queued tasks survive a kill, and each is sent once",
        "tests/system/test_cli_queue.py::test_queued_tasks_survive_kills_and_each_is_paid_once",
    ),
    (
        "A refusal that passes puts a task back into the queue and holds back submits only, never polls",
        "tests/integration/tasks/test_queue.py::test_a_refusal_that_passes_puts_the_task_back_and_holds_back_submits_only",
    ),
    (
        "A task that is canceled in the queue is never sent",
        "tests/integration/tasks/test_queue_claims.py::test_cancellations_and_claims_at_once_decide_each_task_once",
    ),
    (
        "A task that was answered 202 and is refused later ends in `task.refused`, on every way of being told",
        "tests/integration/web/test_queued_tasks.py::test_a_refusal_after_a_202_is_told_to_everyone_who_waits",
    ),
    (
        "An `Idempotency-Key` whose submit created nothing for a reason that passes may try again",
        "tests/integration/tasks/test_idempotency_keys.py::test_a_key_whose_submit_created_nothing_for_a_reason_that_passes_is_free_again",
    ),
    (
        "The status of an answer counts once it is read, whatever its headers and its body are like",
        "tests/integration/submitter/test_odd_replies.py::test_a_body_that_breaks_costs_no_status",
    ),
    (
        "A process that stood still takes the receipt that came meanwhile",
        "tests/system/test_stopped_process.py::test_a_receipt_that_came_meanwhile_is_taken",
    ),
    (
        "A body of millions of values is refused before they are made, and a large one is parsed beside other requests",
        "tests/integration/web/test_body_limits.py::test_eight_megabytes_of_zeros_are_refused_by_every_endpoint",
    ),
    (
        "Nothing of a callback's body is read before the token in its path was checked",
        "tests/integration/web/test_body_limits.py::test_who_has_no_token_is_refused_before_a_byte_of_the_body",
    ),
    (
        "A head without an end is cut off at 64 KiB, and fields after a body are no headers",
        "tests/integration/web/test_wire.py::test_a_head_without_an_end_is_answered_431_and_closed",
    ),
    (
        "A callback with a right token is not refused for its content type, an added query or slash, or its packing",
        "tests/integration/web/test_callbacks.py::test_who_has_proved_itself_may_send_any_content_type",
    ),
    (
        "An empty, cut or damaged file, a page and JSON are never stored as a task's file",
        "tests/integration/web/test_downloads.py::test_what_is_not_the_file_never_takes_its_place",
    ),
    (
        "A redirect of a download goes through the address guard, and the key goes to the provider's own host only",
        "tests/integration/tasks/test_files.py::test_a_redirect_to_a_signed_address_is_followed_without_the_key",
    ),
    (
        "Nothing is answered 2xx once the ledger's file was deleted, moved or replaced under the process",
        "tests/system/test_ledger_faults.py::test_a_ledger_whose_folder_is_moved_away_is_answered_503_and_goes_on_when_it_is_back",
    ),
    (
        (
            "A caller waits 5 s at most, in all, for a ledger that others write, however many wait before it;"
            " on Postgres 10 s at most, because a row that another caller waits for too is waited for twice"
        ),
        "tests/integration/store/test_lock_waits.py::test_the_waits_of_many_callers_do_not_add_up",
    ),
    (
        "The same holds for submits that wait for groups of others before them",
        "tests/integration/store/test_lock_waits.py::test_the_waits_for_groups_of_submits_before_ones_own_count",
    ),
    (
        "Repeats of the same idempotency keys at several nodes, in any order, do not deadlock",
        "tests/integration/tasks/test_submit_groups.py::test_groups_with_the_same_keys_in_other_orders_never_wait_for_each_other",
    ),
    (
        "The files of a new SQLite ledger can be read by their owner only, whatever the umask",
        "tests/integration/store/test_ledger_file.py::test_every_file_of_a_new_ledger_is_its_owners_alone",
    ),
    (
        "A SQLite ledger that has stepped back between two starts is noticed, and followers are told by `reset`",
        "tests/integration/store/test_mark.py::test_a_follower_reads_up_to_the_loss_and_is_then_reset_once",
    ),
    (
        "When the clock is set back, no poll and no retry waits until the old time comes again",
        "tests/integration/runtime/test_clock_repair.py::test_polls_that_lie_too_far_ahead_are_due_at_once_and_others_stay",
    ),
    (
        "A clock that leaps ahead deletes nothing for a day, also over a restart",
        "tests/integration/store/test_leap.py::test_a_clock_that_leaps_beyond_retention_deletes_nothing_and_is_set_right_again",
    ),
    (
        "One task's 403 pauses neither its account nor the other tasks",
        "tests/integration/reconcile/test_odd_answers.py::test_a_403_to_one_task_never_stops_the_others",
    ),
    (
        "A success without its result is polled again before it is final, also across restarts",
        "tests/integration/reconcile/test_odd_answers.py::test_a_success_that_never_has_a_result_ends_without_one_and_says_so_across_restarts",
    ),
    (
        "An id in its documented place makes a receipt in every 2xx, whatever stands beside or behind it",
        "tests/unit/providers/test_odd_receipts.py::test_an_id_in_its_place_is_a_receipt_whatever_stands_beside_it",
    ),
    (
        "An accepted submit whose answer cannot be read is posted at most three times, then it is left to an operator",
        "tests/integration/tasks/test_uncertain_submits.py::test_an_accepted_answer_that_cannot_be_read_is_posted_three_times_and_left_to_a_person",
    ),
    (
        "No line of `.env` is dropped without a word, and no value is taken with its quotes",
        "tests/integration/runtime/test_env_file.py::test_a_line_that_would_be_lost_stops_the_start",
    ),
    (
        "A good answer of a provider to a later request ends its pause and its alarm",
        "tests/integration/reconcile/test_manual.py::test_a_good_answer_to_a_manual_run_ends_the_pause_and_the_alarm_at_once",
    ),
    (
        "The reply of every answer that could not be used is kept with its reason and without secrets, in a few lines",
        "tests/integration/tasks/test_unusable_answers.py::test_days_of_unusable_polls_are_a_few_lines_and_all_are_counted",
    ),
    (
        "Days of refusals in the queue are a few lines with the newest reply and the number of tries",
        "tests/integration/tasks/test_queue_order.py::test_days_of_refusals_in_the_queue_are_a_few_lines_and_all_are_counted",
    ),
    (
        "A wrong settle can be corrected until an end is recorded, and the task ends in one event",
        "tests/system/test_cli_settle.py::test_a_task_that_was_settled_wrong_is_settled_right_and_ends_in_one_event",
    ),
    (
        "A task whose end only a person can read is ended by that person, once and for all",
        "tests/integration/tasks/test_settle.py::test_an_unfinished_task_is_ended_once",
    ),
    (
        "A list that cannot be read never says that a lost submit created nothing",
        "tests/unit/providers/test_list_pages.py::test_a_reply_without_its_list_says_nothing_about_tasks",
    ),
    (
        "A new secret is shown once, to the operator who rotated it: no run, audit, log or later page holds it",
        "tests/integration/web/dashboard/test_subscriptions_page.py::test_a_new_secret_is_shown_once_to_who_pressed_the_button_and_nowhere_else",
    ),
    (
        "Presses of one rotation at the same time rotate once",
        "tests/integration/web/dashboard/test_subscriptions_page.py::test_presses_at_once_rotate_once",
    ),
    (
        "A subscription's address with script in it is text at the dashboard, and no link",
        "tests/integration/web/dashboard/test_subscriptions_page.py::test_words_of_others_are_text_and_an_address_with_script_is_no_link",
    ),
    (
        "A replay at the dashboard says what it posts and leaves out, and posts nothing that came after it was shown",
        "tests/integration/web/dashboard/test_replay_act.py::test_a_replay_shows_its_number_and_what_is_left_out_and_posts_each_once",
    ),
    (
        "What an alert rule tells of the ledger stands on the dashboard's first page, with the same limit and severity",
        "tests/unit/web/dashboard/test_alarms.py::test_every_alert_rule_is_told_on_the_page_too",
    ),
    (
        "While the ledger cannot be read, the first page shows what was read last, with its age",
        "tests/integration/web/dashboard/test_now.py::test_a_ledger_that_cannot_be_read_leaves_the_last_snapshot_in_words",
    ),
    (
        "Each number of the first page leads to the list of just these tasks",
        "tests/integration/web/dashboard/test_now.py::test_every_number_leads_to_the_list_of_just_these",
    ),
    (
        "A provider that is in the ledger and no longer configured has its page",
        "tests/integration/web/dashboard/test_providers.py::test_a_provider_that_is_in_the_ledger_alone_has_a_page",
    ),
    (
        "Each task of a batch has its own outcome, and one that breaks a rule holds up no other",
        "tests/integration/web/test_batches.py::test_each_task_of_a_batch_comes_to_its_own_outcome",
    ),
    (
        "A batch whose caller goes away is submitted all the same, and sent again it is paid once",
        "tests/integration/web/test_batches.py::test_a_batch_whose_client_goes_away_is_submitted_all_the_same",
    ),
    (
        "A dry run of an act on all that a filter finds changes nothing",
        "tests/integration/web/test_acts_over_http.py::test_a_preview_counts_and_changes_nothing",
    ),
    (
        "An act that is started with the end and the ids of its preview works on nothing that came after it",
        "tests/integration/web/test_acts_over_http.py::test_a_start_with_the_end_and_the_ids_of_its_preview_takes_no_other",
    ),
    (
        "Each trouble of an operator's night is found and cured at the page, in the shell and over the API",
        "tests/browser/test_night.py::test_each_trouble_of_a_night_is_found_and_cured",
    ),
    (
        "Submits that come at once are never more than the places that their account has",
        "tests/integration/tasks/test_submit_groups.py::test_no_more_than_there_are_places_are_sent_in_whatever_order_their_keys_are_stored",
    ),
    (
        "The same `Idempotency-Key` starts one run of an act",
        "tests/integration/web/test_acts_over_http.py::test_the_same_key_starts_one_run_and_another_body_under_it_is_refused",
    ),
    (
        "The API reference fetches nothing from elsewhere and needs no script",
        "tests/browser/test_reference.py::test_the_reference_is_read_without_a_script_and_from_one_address",
    ),
)

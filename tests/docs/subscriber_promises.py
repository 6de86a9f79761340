"""What a subscriber may rely on, each with the test that proves it; the others are in `promises`."""

#: The sentence, and the test as file::name.
SUBSCRIBER_PROMISES: tuple[tuple[str, str], ...] = (
    (
        "Every event that passes a subscription's filter is posted until it is answered 2xx or the attempts are spent",
        "tests/integration/webhooks/test_endpoints.py::test_every_subscription_that_wants_an_event_gets_it_under_the_same_id_with_its_own_signature",
    ),
    (
        "An event keeps its `webhook-id` and its body when it is retried, redelivered or replayed",
        "tests/integration/webhooks/test_replay.py::test_a_replayed_webhook_has_the_same_id_and_body_and_a_signature_of_now",
    ),
    (
        "Webhooks verify with the published packages `standardwebhooks`, `svix` and `openai`",
        "tests/integration/webhooks/test_published_verifiers.py::test_a_published_library_verifies_a_delivery_in_a_rotation",
    ),
    (
        "After a rotation both secrets sign, for 24 hours unless `--overlap` sets another time",
        "tests/integration/webhooks/test_endpoints.py::test_a_rotated_secret_signs_beside_the_one_before_until_the_overlap_ends",
    ),
    (
        "`seq` is in every body; a consumer that follows it misses nothing and sees nothing twice",
        "tests/integration/webhooks/test_endpoints.py::test_every_body_holds_the_number_of_its_event",
    ),
    (
        "Webhook, page and stream contain the same event, under the same filters",
        "tests/integration/client/test_events.py::test_a_webhook_and_the_stream_give_the_same_event",
    ),
    (
        "A broken stream is resumed with `Last-Event-ID` and misses nothing; the client resumes by itself",
        "tests/integration/client/test_events.py::test_every_event_comes_once_and_in_order_through_a_line_that_keeps_breaking",
    ),
    (
        "A cursor older than the stored events gets 410 or a `reset` event, with the cursor to continue from",
        "tests/integration/client/test_events.py::test_a_cursor_older_than_the_stored_events_is_an_error_of_pages_and_of_the_stream",
    ),
    (
        "A stream in another process on the same file reads new events every 100 ms",
        "tests/integration/web/test_stream.py::test_an_event_of_another_process_is_streamed_without_a_notification",
    ),
    (
        "A wait for a task that has already ended is answered at once",
        "tests/integration/events/test_feed.py::test_a_task_that_has_ended_or_does_not_exist_is_not_waited_for",
    ),
    (
        "10,000 idle streams and waits fit into one process",
        "tests/system/test_many_streams.py::test_ten_thousand_wait_and_listen_in_one_process",
    ),
    (
        "429 and 503 with `Retry-After` slow down the whole subscription and use up no attempts of waiting deliveries",
        "tests/integration/webhooks/test_endpoint_health.py::test_one_request_to_wait_makes_the_whole_subscription_wait_and_spends_no_attempt",
    ),
    (
        "A failing endpoint is probed by one delivery at a time, and waiting deliveries use up no attempts",
        "tests/integration/webhooks/test_endpoint_health.py::test_after_five_failures_due_deliveries_wait_until_one_probe_is_answered",
    ),
    (
        "The subscription's own rate and concurrency limits are kept",
        "tests/integration/webhooks/test_endpoint_health.py::test_a_subscriptions_own_rate_is_kept",
    ),
    (
        "Another subscriber that hangs does not delay yours, whatever its backlog",
        "tests/integration/webhooks/test_endpoint_health.py::test_one_subscription_that_hangs_with_a_long_backlog_holds_up_nobody_else",
    ),
    (
        "Five days of failures without a success disable a subscription, as 410 does at once; an event reports it",
        "tests/integration/webhooks/test_endpoint_health.py::test_five_days_of_nothing_but_failures_disable_a_subscription_with_the_last_reason",
    ),
    (
        "The pending deliveries of a disabled subscription are sent after it is enabled again",
        "tests/integration/webhooks/test_endpoint_health.py::test_pending_deliveries_of_a_disabled_subscription_are_sent_once_it_is_enabled_again",
    ),
    (
        "A range of events can be replayed by number, time and filter; a delivery that is due is not doubled",
        "tests/integration/webhooks/test_replay_repository.py::test_replays_and_deliveries_side_by_side_never_double_what_is_due",
    ),
    (
        "New events do not wait behind a replay",
        "tests/integration/webhooks/test_isolation.py::test_new_events_do_not_wait_behind_a_replay",
    ),
    (
        "An event goes to the subscriptions as they were when it was committed, however late its deliveries are made",
        "tests/integration/webhooks/test_fan_out.py::test_late_deliveries_are_those_that_would_have_been_made_at_once",
    ),
    (
        "A process that is killed before an event has its deliveries leaves them to the next, which makes each once",
        "tests/integration/webhooks/test_fan_out.py::test_a_process_that_is_killed_before_or_while_it_makes_them_leaves_them_to_the_next",
    ),
    (
        "A webhook of an event that a clock stored which was ahead is sent at once when the clock is set right",
        "tests/integration/webhooks/test_fan_out.py::test_what_a_clock_that_was_ahead_stored_is_due_at_once",
    ),
    (
        "While attempts cannot be recorded, no webhook is posted beyond those that may be in flight",
        "tests/integration/webhooks/test_leased_ahead.py::test_while_attempts_cannot_be_recorded_nothing_is_posted_ahead_and_no_error_is_left_unread",
    ),
    (
        "Events of a type that only a newer version knows wait for it; what came before them is delivered",
        "tests/integration/webhooks/test_fan_out_bounds.py::test_events_before_one_of_an_unknown_type_are_delivered_and_the_rest_waits_for_a_newer_version",
    ),
    (
        "Lists and streams show an event of a type that only a newer version knows as it is",
        "tests/integration/web/test_events_of_a_newer_version.py::test_pages_and_streams_show_an_event_of_a_newer_version_as_it_is",
    ),
    (
        "A replay sends such an event to subscriptions that name its type, and passes it over for the others",
        "tests/integration/web/test_events_of_a_newer_version.py::test_a_replay_sends_such_an_event_to_those_who_name_its_type_and_passes_it_for_others",
    ),
    (
        "An event with a pending delivery is not deleted",
        "tests/integration/store/test_retention_statements.py::test_no_event_goes_at_or_after_one_with_a_pending_delivery",
    ),
    (
        "Redirects are not followed, and private addresses are refused at connect, whatever the name resolves to",
        "tests/integration/webhooks/test_endpoints.py::test_a_name_that_comes_to_point_inside_is_refused_at_connect",
    ),
    (
        "The CloudEvents handshake comes before anything is stored, and the granted rate is kept",
        "tests/integration/webhooks/test_handshake.py::test_the_rate_that_an_endpoint_grants_becomes_its_limit",
    ),
    (
        "A test that is answered 2xx closes the breaker, and what waits goes out at once",
        "tests/integration/webhooks/test_resume.py::test_a_test_that_passes_closes_the_breaker_and_the_deliveries_go_out_at_once",
    ),
    (
        "Dead letters at a host of a task's `notify` are listed and sent again together",
        "tests/integration/webhooks/test_endpoint_repository.py::test_dead_letters_of_a_host_are_sent_again_after_what_is_new",
    ),
    (
        "Readers that need data in each block, such as npm `eventsource`, lose nothing over a restart of the service",
        "tests/integration/web/test_stream_readers.py::test_every_kind_of_reader_gets_each_event_and_the_cursor_and_nothing_else",
    ),
    (
        "A wait without a number ends before nginx and HAProxy would end it",
        "tests/integration/web/test_api.py::test_a_preferred_wait_is_no_longer_than_proxies_allow",
    ),
    (
        "A page of another origin follows events with a short-lived token, and misses none when it connects again",
        "tests/browser/test_stream_sample.py::test_a_page_of_another_origin_follows_events_and_misses_none",
    ),
    (
        "A stream token is refused when it is old, forged or its key was revoked; that ends open streams as well",
        "tests/integration/web/test_stream_tokens.py::test_a_revoked_key_ends_its_tokens_and_its_open_streams",
    ),
    (
        "Pages of origins that are not named in `WHENFINAL_CORS_ORIGINS` can read nothing of the API",
        "tests/integration/web/test_cors.py::test_an_origin_that_is_not_allowed_is_refused_in_words_and_gets_no_header",
    ),
    (
        "A client repeats a submit under one idempotency key, and sends once what must not be repeated",
        "tests/unit/submitter/test_conversation.py::test_what_must_not_be_repeated_is_sent_once_when_it_may_have_been_carried_out",
    ),
    (
        "Each route of the API is a method of the client, with `async` and without",
        "tests/unit/submitter/test_every_route.py::test_each_route_is_the_request_of_a_method",
    ),
    (
        "A file that a client downloads has its name only when it is whole, and goes on where it broke off",
        "tests/integration/client/test_downloads.py::test_a_file_that_breaks_off_again_and_again_never_has_its_name",
    ),
    (
        "The clients install and run without the service",
        "tests/packaging/test_client_wheel.py::test_the_sample_of_each_client_runs_against_a_service",
    ),
    (
        "`listen` hands webhooks on unchanged, and its subscription goes with it",
        "tests/system/test_cli_listen.py::test_a_program_gets_each_webhook_as_it_came_and_its_answer_counts",
    ),
    (
        "`serve --simulate` uses no provider whose key is set",
        "tests/system/test_cli_serve_simulated.py::test_no_other_provider_is_used_whatever_is_set",
    ),
)

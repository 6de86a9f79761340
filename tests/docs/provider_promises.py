"""What a user may rely on about providers, each with the test that proves it; the others are in `promises`."""

#: The sentence, and the test as file::name.
PROVIDER_PROMISES: tuple[tuple[str, str], ...] = (
    (
        "A document of public keys that cannot be had proves nothing against a callback: it is answered 503",
        "tests/integration/callbacks/test_provider_keys.py::test_a_document_that_is_none_proves_nothing_against_a_callback",
    ),
    (
        "A new key of a provider verifies the first callback that it signs, and forged ones cost one fetch a minute",
        "tests/integration/callbacks/test_provider_keys.py::test_a_new_key_is_fetched_when_the_first_callback_needs_it",
    ),
    (
        "A challenge is answered at the address of a token of ours only",
        "tests/integration/callbacks/test_challenges.py::test_a_stranger_gets_no_answer_to_a_challenge",
    ),
    (
        "A cancellation that would destroy a result is not sent: the state is queried before",
        "tests/integration/tasks/test_cancel_after_look.py::test_nothing_is_sent_for_a_task_that_has_gone_on",
    ),
    (
        "The result that needs a second call follows the end at once, and an end without it is polled again",
        "tests/integration/submitter/test_provider_calls.py::test_an_end_whose_result_fails_is_no_answer",
    ),
    (
        "A task in a state that no document names is not canceled where that could destroy it",
        "tests/integration/reconcile/test_runway_over_sockets.py::test_a_task_in_a_state_that_no_document_names_is_not_deleted",
    ),
    (
        "A video that a safety filter withheld ends its task as failed, also where the provider reports it as no error",
        "tests/integration/callbacks/test_veo_over_sockets.py::test_a_withheld_video_is_found_by_polling_alone",
    ),
    (
        "An event without a result ends nothing before a poll has brought the result",
        "tests/integration/callbacks/test_veo_over_sockets.py::test_an_event_before_the_end_ends_nothing",
    ),
)

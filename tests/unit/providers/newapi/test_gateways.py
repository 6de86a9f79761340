"""What gateways hand on from the platforms behind them: words, ids, wrappers and places of the result."""

from typing import Any

import pytest

from submitter.model import Output, ProviderTaskId, TaskError, TaskState, Unavailable
from submitter.providers.newapi_statuses import STATES, UPSTREAM_STATES
from tests.unit.providers.statuses import GATEWAYS, LINK, TASK_ID, read, seen

every_gateway = pytest.mark.parametrize("adapter", GATEWAYS)
PROXY = "/v1/videos/t-1/content"
WAITING, RUNNING = TaskState.SUBMITTED, TaskState.RUNNING
SUCCEEDED, FAILED, CANCELED = TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELED

#: (word, state, whether new-api itself names it). The sources stand with the tables in the adapter.
WORDS = [
    ("NOT_START", WAITING, True),
    ("SUBMITTED", WAITING, True),
    ("queued", WAITING, True),
    ("Preparing", WAITING, True),
    ("created", WAITING, True),
    ("starting", WAITING, True),
    ("notstarted", WAITING, True),
    ("Processing", RUNNING, True),
    ("generating", RUNNING, True),
    ("unknown", RUNNING, True),
    ("Success", SUCCEEDED, True),
    ("succeeded", SUCCEEDED, True),
    ("completed", SUCCEEDED, True),
    ("complete", SUCCEEDED, True),
    ("finished", SUCCEEDED, True),
    ("succeed", SUCCEEDED, False),
    ("done", SUCCEEDED, False),
    ("FAILURE", FAILED, True),
    ("failed", FAILED, True),
    ("Fail", FAILED, True),
    ("error", FAILED, True),
    ("expired", FAILED, False),
    ("timeout", FAILED, False),
    ("deleted", FAILED, False),
    ("aborted", FAILED, False),
    ("cancelled", CANCELED, True),
    ("CANCELED", CANCELED, True),
    ("dreaming", RUNNING, False),
]


@every_gateway
@pytest.mark.parametrize(("word", "state", "is_documented"), WORDS)
def test_a_word_is_read_as_its_source_means_it(
    adapter: str, word: str, state: TaskState, *, is_documented: bool
) -> None:
    body = {"id": TASK_ID, "object": "video", "status": word, "progress": 100, "url": LINK, "error": "the reason"}
    found = seen(adapter, body)
    assert (found.state, found.is_documented_state, found.raw_state) == (state, is_documented, word)
    assert [each.url for each in found.outputs] == ([LINK] if state is SUCCEEDED else [])
    assert (found.error.message if found.error else None) == ("the reason" if state in {FAILED, CANCELED} else None)


def test_no_word_stands_in_both_tables() -> None:
    assert not STATES.keys() & UPSTREAM_STATES.keys()
    assert {word.lower() for word, _, _ in WORDS} >= UPSTREAM_STATES.keys()


@pytest.mark.parametrize("word", ["expired", "timeout", "Timeout"])
def test_an_end_by_time_without_a_reason_has_a_code_that_says_so(word: str) -> None:
    found = seen("newapi", {"id": TASK_ID, "status": word})
    assert found.error == TaskError(code="timed_out", message="the provider gave no reason")


# Which of two ids names the task


@every_gateway
@pytest.mark.parametrize(
    "ids",
    [
        {"id": TASK_ID, "task_id": "task_upstream"},
        {"id": "task_upstream", "task_id": TASK_ID},
        {"id": 17, "task_id": TASK_ID},
        {"id": TASK_ID},
        {"task_id": TASK_ID},
    ],
)
@pytest.mark.parametrize(("word", "state"), [("completed", SUCCEEDED), ("failed", FAILED), ("in_progress", RUNNING)])
def test_one_of_two_ids_is_enough(adapter: str, ids: dict[str, Any], word: str, state: TaskState) -> None:
    error = {"code": "x", "message": "bad"} if state is FAILED else None
    for body in (
        {**ids, "object": "video", "status": word, "progress": 100, "error": error},
        {"code": "success", "data": {**ids, "status": word, "error": error}},
        {**ids, "code": "success", "data": {"id": "task_upstream", "status": word, "error": error}},
    ):
        found = seen(adapter, body)
        assert (found.state, found.key.provider_task_id) == (state, TASK_ID)
        assert found.error == (TaskError(code="x", message="bad") if state is FAILED else None)


@every_gateway
@pytest.mark.parametrize(
    "ids", [{"id": "t-2", "task_id": "t-3"}, {"id": "t-2"}, {"task_id": "t-3"}, {"id": 17, "task_id": "t-3"}]
)
def test_two_foreign_ids_are_another_tasks(adapter: str, ids: dict[str, Any]) -> None:
    for body in ({**ids, "status": "completed", "url": LINK}, {"data": {**ids, "status": "completed", "url": LINK}}):
        outcome = read(adapter, body)
        assert isinstance(outcome, Unavailable)
        assert "which is not the requested one" in outcome.reason


def test_a_row_number_names_no_task() -> None:
    assert seen("newapi", {"data": {"id": 17, "status": "IN_PROGRESS", "progress": "50%"}}).progress == 50
    assert isinstance(read("newapi", {"data": {"id": 17, "status": "SUCCESS"}}), Unavailable)
    assert seen("newapi", {"data": {"id": 17, "status": "SUCCESS"}}, task_id="17").key.provider_task_id == "17"


# Whether a reply is about a task at all


@every_gateway
@pytest.mark.parametrize(
    "body",
    [
        {"status": "success", "message": "ok"},
        {"status": "success", "data": None},
        {"status": "success", "data": {}},
        {"status": "success", "metadata": {}, "url": ""},
        {"status": "failed", "message": "temporarily unavailable"},
        {"status": "failed", "error": {"message": "temporarily unavailable"}},
        {"status": "error", "error": "busy"},
        {"status": "running", "version": "1.2.3"},
        {"status": "ok"},
        {"data": {"status": "success"}},
        {"code": "success", "data": {"status": "SUCCESS"}},
        {"code": 500, "status": "failed", "progress": "100%"},
    ],
)
def test_a_status_word_alone_is_about_no_task(adapter: str, body: dict[str, Any]) -> None:
    outcome = read(adapter, body)
    assert isinstance(outcome, Unavailable)
    assert outcome.raw


@every_gateway
@pytest.mark.parametrize(
    ("beside", "state"),
    [
        ({"progress": "100%"}, SUCCEEDED),
        ({"progress": 0}, SUCCEEDED),
        ({"result_url": PROXY}, SUCCEEDED),
        ({"url": LINK}, SUCCEEDED),
        ({"metadata": {"url": LINK}}, SUCCEEDED),
        ({"video_url": LINK}, SUCCEEDED),
        ({"task_result": {"videos": [{"url": LINK}]}}, SUCCEEDED),
        ({"fail_reason": "content check refused the prompt"}, FAILED),
        ({"progress": 100, "error": {"message": "refused"}}, FAILED),
    ],
)
def test_an_end_without_an_id_needs_something_of_a_task_beside_it(
    adapter: str, beside: dict[str, Any], state: TaskState
) -> None:
    word = "SUCCESS" if state is SUCCEEDED else "FAILURE"
    assert seen(adapter, {"status": word, **beside}).state is state
    assert seen(adapter, {"code": "success", "data": {"status": word, **beside}}).state is state


# Wrappers


@pytest.mark.parametrize(
    "body",
    [
        {"id": TASK_ID, "status": "succeeded", "content": {"url": LINK}},
        {"task": {"id": TASK_ID, "status": "succeeded", "content": {"url": LINK}}},
        {"request_id": "r", "output": {"task_id": TASK_ID, "task_status": "SUCCEEDED", "video_url": LINK}},
        {"code": 0, "data": {"task_id": TASK_ID, "task_status": "succeed", "task_result": {"videos": [{"url": LINK}]}}},
    ],
    ids=["Ark", "MiniMax", "DashScope", "Kling"],
)
def test_the_answer_of_a_platform_behind_the_gateway_is_read_too(body: dict[str, Any]) -> None:
    found = seen("newapi", body)
    assert (found.state, found.outputs) == (SUCCEEDED, (Output(url=LINK),))


# Where the result stands


@every_gateway
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ({"result_url": LINK}, "video"),
        ({"url": LINK}, "video"),
        ({"metadata": {"url": LINK}}, "video"),
        ({"video_url": LINK}, "video"),
        ({"video": {"url": LINK}}, "video"),
        ({"video": LINK}, "video"),
        ({"videos": [LINK]}, "video"),
        ({"content_url": LINK}, "video"),
        ({"content": [{"url": LINK}]}, "video"),
        ({"content": [{"type": "video_url", "video_url": {"url": LINK}}]}, "video"),
        ({"content": {"result_url": LINK}}, "video"),
        ({"content": {"video_url": LINK}}, "video"),
        ({"task_result": {"videos": [{"id": "1", "url": LINK, "duration": "5"}]}}, "video"),
        ({"results": {"video_url": LINK}}, "video"),
        ({"results": [{"url": LINK}]}, "video"),
        ({"results": [{"transcription_url": LINK}]}, "transcription"),
        ({"output": {"url": LINK}}, "video"),
        ({"output": {"video_url": LINK}}, "video"),
        ({"output": [LINK]}, "video"),
        ({"outputs": [{"type": "image", "url": LINK}]}, "image"),
        ({"fail_reason": LINK}, "video"),
    ],
)
def test_the_link_is_found_in_every_place_that_gateways_use(adapter: str, place: dict[str, Any], kind: str) -> None:
    for body in (
        {"id": TASK_ID, "status": "completed", **place},
        {"data": {"task_id": TASK_ID, "status": "SUCCESS", **place}},
    ):
        assert seen(adapter, body).outputs == (Output(url=LINK, type=kind),)


def test_several_files_in_one_place_are_several_outputs_and_a_second_place_repeats_none() -> None:
    more = "https://cdn.example/2.mp4"
    body = {
        "id": TASK_ID,
        "status": "completed",
        "content": [{"url": LINK}, more, LINK],
        "outputs": ["https://x.example/y"],
    }
    assert seen("newapi", body).outputs == (Output(url=LINK), Output(url=more))


def test_a_success_without_a_link_has_the_content_route_as_its_result() -> None:
    (output,) = seen("tokenbay", {"id": TASK_ID, "status": "completed"}).outputs
    assert output == Output(url="https://api.tokenbay.com/v1/videos/t-1/content", needs_key=True)


def test_the_reason_in_the_upstreams_answer_is_found_last() -> None:
    upstream = {"output": {"task_status": "FAILED", "code": "InvalidParameter", "message": "bad picture"}}
    data = {"task_id": TASK_ID, "status": "FAILURE", "fail_reason": "", "data": upstream}
    found = seen("newapi", {"code": "success", "message": "", "data": data})
    assert found.error == TaskError(code="InvalidParameter", message="bad picture")
    assert found.key.provider_task_id == ProviderTaskId(TASK_ID)

"""The completion event that EventBridge brings from DashScope: an end without its result."""

import pytest

from submitter.errors import BadSignature, UnreadableCallback
from submitter.http.messages import Callback
from submitter.model import Observation, ProviderTaskId, Source, TaskKey, TaskState
from submitter.providers import dashscope
from tests.unit.providers import recorded

TASK_ID = "bbbbbbbb-0000-0000-0000-000000000001"
ACCOUNT = recorded.account("dashscope")


@pytest.mark.parametrize(
    ("name", "state", "word"),
    [("callback_succeeded", TaskState.SUCCEEDED, "SUCCEEDED"), ("callback_failed", TaskState.FAILED, "FAILED")],
)
def test_an_event_names_the_end_and_needs_a_poll_for_the_result(name: str, state: TaskState, word: str) -> None:
    callback = recorded.callback("dashscope", name)
    observation = dashscope.parse_callback(callback, ACCOUNT, 0)
    assert not observation.signature_verified
    assert observation == Observation(
        key=TaskKey(provider="dashscope", provider_task_id=ProviderTaskId(TASK_ID)),
        state=state,
        source=Source.CALLBACK,
        raw_state=word,
        completed_at_ms=1_788_228_090_400,
        without_result=True,
        raw=callback.body,
    )


def test_the_event_of_the_page_has_its_times_as_beijing_texts() -> None:
    observation = dashscope.parse_callback(recorded.callback("dashscope", "callback_of_the_page"), ACCOUNT, 0)
    assert (observation.state, observation.without_result) == (TaskState.SUCCEEDED, True)
    assert observation.completed_at_ms == 1_698_198_316_000  # 01:45:16 UTC


def test_an_event_of_another_type_is_unreadable() -> None:
    with pytest.raises(UnreadableCallback):
        dashscope.parse_callback(recorded.callback("dashscope", "callback_of_a_batch"), ACCOUNT, 0)


def test_an_event_without_a_task_is_unreadable() -> None:
    body = b'{"source":"acs.dashscope","type":"dashscope:System:AsyncTaskFinish","data":{"task_status":"FAILED"}}'
    with pytest.raises(UnreadableCallback):
        dashscope.parse_callback(Callback(body=body), ACCOUNT, 0)


def test_a_configured_secret_refuses_every_event_since_none_can_be_checked_with_it() -> None:
    secured = recorded.account("dashscope", webhook_secret="secret-of-someone")
    with pytest.raises(BadSignature):
        dashscope.parse_callback(recorded.callback("dashscope", "callback_succeeded"), secured, 0)

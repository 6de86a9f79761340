"""What a provider says is kept without the secrets that it quotes."""

import pytest

from receiver.tasks.model.redaction import redact, redact_observation, redact_status, redact_submit
from submitter.model import (
    Denied,
    NotFound,
    Observation,
    ProviderTaskId,
    Refusal,
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskError,
    TaskKey,
    TaskState,
    Unavailable,
    Uncertain,
)
from tests.support.builders import a_receipt

KEY = "sk-of-the-account"
QUOTED = TaskError(code=f"bad {KEY}", message=f"the key {KEY} is wrong")
FAILED = Observation(
    key=TaskKey(provider="hiapi", provider_task_id=ProviderTaskId("p1")),
    state=TaskState.FAILED,
    source=Source.POLL,
    raw_state="fail",
    error=QUOTED,
)


@pytest.mark.parametrize("said", [Refused(refusal=Refusal.DENIED, error=QUOTED), Uncertain(reason=KEY)])
def test_an_answer_to_a_submit_is_kept_without_the_key(said: SubmitOutcome) -> None:
    assert KEY not in repr(redact_submit(said, (KEY,)))


@pytest.mark.parametrize("said", [FAILED, Denied(status=401, message=KEY), Unavailable(reason=KEY)])
def test_an_answer_about_a_task_is_kept_without_the_key(said: StatusOutcome) -> None:
    assert KEY not in repr(redact_status(said, (KEY,)))


def test_what_quotes_nothing_stays_as_it_is() -> None:
    assert redact_submit(a_receipt("p1"), (KEY,)) == a_receipt("p1")
    assert redact_status(NotFound(), (KEY,)) == NotFound()
    assert redact_observation(FAILED, ("other",)) == FAILED


def test_an_empty_secret_hides_nothing() -> None:
    assert redact("a b", ("", "b")) == "a [hidden]"

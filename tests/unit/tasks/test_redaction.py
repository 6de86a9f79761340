"""What a provider answers is stored without the secrets that it quotes."""

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


@pytest.mark.parametrize("outcome", [Refused(refusal=Refusal.DENIED, error=QUOTED), Uncertain(reason=KEY)])
def test_an_answer_to_a_submit_is_stored_without_the_key(outcome: SubmitOutcome) -> None:
    assert KEY not in repr(redact_submit(outcome, (KEY,)))


@pytest.mark.parametrize("outcome", [FAILED, Denied(status=401, message=KEY), Unavailable(reason=KEY)])
def test_an_answer_about_a_task_is_stored_without_the_key(outcome: StatusOutcome) -> None:
    assert KEY not in repr(redact_status(outcome, (KEY,)))


def test_what_quotes_nothing_stays_as_it_is() -> None:
    assert redact_submit(a_receipt("p1"), (KEY,)) == a_receipt("p1")
    assert redact_status(NotFound(), (KEY,)) == NotFound()
    assert redact_observation(FAILED, ("other",)) == FAILED


def test_an_empty_secret_hides_nothing() -> None:
    assert redact("a b", ("", "b")) == "a [hidden]"

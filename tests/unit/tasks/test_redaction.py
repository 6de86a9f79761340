"""What a provider answers is stored without the secrets that it quotes."""

import pytest

from receiver.tasks.model.redaction import (
    REPLY_BYTES,
    redact,
    redact_observation,
    redact_reply,
    redact_status,
    redact_submit,
)
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


@pytest.mark.parametrize(
    "written",
    ["sk/a+b&c", r"sk\/a+b&c", "sk%2Fa%2Bb%26c", "sk/a+b&amp;c"],
    ids=["plain", "JSON", "URL", "HTML"],
)
def test_a_key_is_hidden_however_a_reply_writes_it(written: str) -> None:
    assert redact(f"the key {written}.", ("sk/a+b&c",)) == "the key [hidden]."


@pytest.mark.parametrize("slash", ["/", r"\/", "%2F", "%2f"])
def test_the_token_of_any_callback_address_is_hidden(slash: str) -> None:
    token = "eyJhIjoi-_.ZmFr.sig~x="
    shown = redact_reply(f'{{"callback":"https:{slash}callbacks{slash}hiapi-2{slash}{token}"}}'.encode(), ())
    assert token not in shown.decode()
    assert shown.endswith(f'callbacks{slash}hiapi-2{slash}[hidden]"}}'.encode())


def test_a_reply_is_cut_to_a_kib_of_text_whatever_its_bytes_are() -> None:
    for raw in (b"x" * 5000, b"\xff\x00" * 3000, "日本語".encode() * 900, b"\x1f\x8b\x08" + bytes(range(256)) * 9):
        shown = redact_reply(raw, (KEY,))
        assert len(shown) <= REPLY_BYTES == 1024
        assert "\x00" not in shown.decode()
    assert redact_reply(b"x" * 5000, ()) == b"x" * 1024
    assert redact_reply(b"", (KEY,)) == b""
    assert redact_reply(b"a\x00\xffb", ()) == rb"a\x00\xffb"


@pytest.mark.parametrize("shown", range(6, len(KEY)))
@pytest.mark.parametrize("cut_by_adapter", [True, False])
def test_a_key_that_the_cut_goes_through_is_hidden(shown: int, *, cut_by_adapter: bool) -> None:
    raw = b"x" * (REPLY_BYTES - shown) + KEY.encode() + b"more"
    kept = redact_reply(raw[:REPLY_BYTES] if cut_by_adapter else raw, (KEY,)).decode()
    assert KEY[:6] not in kept
    assert len(kept) <= REPLY_BYTES


def test_the_reply_of_each_outcome_is_redacted() -> None:
    raw = f'{{"message":"bad {KEY}"}}'.encode()
    for submit in (Refused(refusal=Refusal.DENIED, error=QUOTED, raw=raw), Uncertain(reason="r", raw=raw)):
        redacted = redact_submit(submit, (KEY,))
        assert isinstance(redacted, Refused | Uncertain)
        assert redacted.raw == b'{"message":"bad [hidden]"}'
    status = redact_status(Unavailable(reason="r", raw=raw), (KEY,))
    assert isinstance(status, Unavailable)
    assert status.raw == b'{"message":"bad [hidden]"}'

"""Callback tokens and webhook secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from receiver.callbacks.model import (
    TOKEN_CAP,
    CallbackToken,
    ExpiredToken,
    ForgedToken,
    make_account_callback_url,
    make_callback_token,
    read_callback_token,
)
from receiver.webhooks.model.endpoint import decode_webhook_secret, new_webhook_secret
from submitter.model import TaskId

OLD, NEW, OTHER = "old-key-" * 4, "new-key-" * 4, "other-key-" * 4
NOW_S = 1_790_000_000
DAY_S = 86_400
TASK = TaskId("tsk_" + "01k9" + "z" * 22)


def _make(keys: tuple[str, ...] = (OLD, NEW), provider: str = "hiapi", task_id: str | None = TASK) -> str:
    named = None if task_id is None else TaskId(task_id)
    return make_callback_token(keys, provider=provider, task_id=named, now_s=NOW_S)


def _read(token: str, keys: tuple[str, ...] = (OLD, NEW), now_s: int = NOW_S) -> CallbackToken:
    return read_callback_token(keys, token, now_s=now_s, max_age_s=30 * DAY_S)


def test_a_token_says_for_whom_it_was_made() -> None:
    assert _read(_make()) == CallbackToken(provider="hiapi", task_id=TASK)


def test_an_account_wide_token_names_no_task() -> None:
    assert _read(_make(task_id=None)) == CallbackToken(provider="hiapi", task_id=None)


def test_the_longest_account_name_still_gives_a_short_token_fit_for_a_path() -> None:
    token = _make(provider="a" * 40)
    assert len(token) <= TOKEN_CAP == 120
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
    assert _read(token).task_id == TASK


@pytest.mark.parametrize(
    ("provider", "task_id"),
    [("a" * 43, TASK), ("a/b", TASK), ("a~b", TASK), ("", TASK), ("hiapi", "tsk_"), ("hiapi", "job_1"), ("hiapi", "")],
)
def test_no_token_is_made_for_names_that_are_not_ours(provider: str, task_id: str) -> None:
    with pytest.raises(ValueError, match="callback token"):
        _make(provider=provider, task_id=task_id)


def test_a_token_of_the_old_key_counts_until_the_key_is_taken_out() -> None:
    token = _make(keys=(OLD,))
    assert _read(token, keys=(OLD, NEW)).task_id == TASK
    with pytest.raises(ForgedToken):
        _read(token, keys=(NEW,))


def test_the_newest_key_signs() -> None:
    assert _make(keys=(OLD, NEW)) == _make(keys=(NEW,)) != _make(keys=(OLD,))


def test_a_token_ends_after_its_age_to_the_second() -> None:
    assert _read(_make(), now_s=NOW_S + 30 * DAY_S).task_id == TASK
    with pytest.raises(ExpiredToken):
        _read(_make(), now_s=NOW_S + 30 * DAY_S + 1)


def test_a_token_of_an_account_does_not_grow_too_old() -> None:
    assert _read(_make(task_id=None), now_s=NOW_S + 10 * 365 * DAY_S).task_id is None


def test_the_address_of_an_account_is_the_same_until_another_key_signs() -> None:
    public_url = "https://w.example.org/films"
    address = make_account_callback_url(public_url, (OLD,), "dashscope-b")
    assert address == make_account_callback_url(public_url, (OLD,), "dashscope-b")
    before, _, token = address.rpartition("/")
    assert before == "https://w.example.org/films/callbacks/dashscope-b"
    assert _read(token, keys=(OLD, NEW)) == CallbackToken(provider="dashscope-b", task_id=None)
    assert make_account_callback_url(public_url, (OLD, NEW), "dashscope-b") != address
    with pytest.raises(ForgedToken):
        _read(token, keys=(NEW,))


def test_a_clock_that_was_set_back_costs_no_callback() -> None:
    assert _read(_make(), now_s=NOW_S - DAY_S).task_id == TASK


def test_a_forged_token_is_forged_even_when_it_is_old() -> None:
    with pytest.raises(ForgedToken):
        _read(_make(keys=(OTHER,)), now_s=NOW_S + 365 * DAY_S)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.b", "hiapi~x~1", "\x00", "é" * 20, "\ud800", "x" * 10_000_000, ("a." * 60), "~~.", "." * 120],
    ids=lambda text: repr(text[:8]),
)
def test_any_other_text_is_forged(text: str) -> None:
    with pytest.raises(ForgedToken):
        _read(text)


@pytest.mark.parametrize("place", range(len(_make())))
def test_a_token_with_any_one_character_changed_is_forged(place: int) -> None:
    token = _make()
    for letter in "AbZ0-_.~!\x00=":
        changed = token[:place] + letter + token[place + 1 :]
        if changed != token:
            with pytest.raises(ForgedToken):
                _read(changed)


@pytest.mark.parametrize("addition", ["\x00", "=", "==", "!", " ", "\n", "%00", ".", "A"])
def test_a_token_with_something_added_is_forged(addition: str) -> None:
    for changed in (_make() + addition, addition + _make()):
        with pytest.raises(ForgedToken):
            _read(changed)


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_forged(text: str) -> None:
    with pytest.raises(ForgedToken):
        _read(text)


def test_a_token_signed_for_another_purpose_is_forged() -> None:
    payload = _make().rpartition(".")[0]
    with pytest.raises(ForgedToken):
        _read(Signer([OLD, NEW], salt="another purpose").sign(payload).decode())


def test_without_keys_every_token_is_forged() -> None:
    with pytest.raises(ForgedToken):
        _read(_make(), keys=())


def test_a_new_secret_is_read_back_to_its_bytes() -> None:
    secret = new_webhook_secret(bytes(range(32)))
    assert secret.startswith("whsec_")
    assert decode_webhook_secret(secret) == bytes(range(32))


@pytest.mark.parametrize("count", [0, 23, 65])
def test_a_secret_of_another_length_than_the_standard_has_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"24 to 64 bytes|empty"):
        new_webhook_secret(bytes(count))


@pytest.mark.parametrize(
    "text", ["", "whsec_", "plain", "whsec_%%%", "whsec_YQ", "whsec_é", "WHSEC_" + "A" * 32, "\ud800"]
)
def test_a_malformed_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"webhook secret|base64") as raised:
        decode_webhook_secret(text)
    assert text.removeprefix("whsec_") == "" or text not in str(raised.value)

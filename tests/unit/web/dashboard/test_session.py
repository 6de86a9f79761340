"""A cookie is a session only while it is ours, young, and its key is still the same one."""

import hashlib

import pytest
from itsdangerous import URLSafeSerializer

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.web.dashboard.session import SESSION_S, Session, read_session, sign_session

NOW_S = 1_790_000_000
SECRETS = ("first-secret-key-0001", "second-secret-key-0002")
NONCE = "n" * 22
BOTH = frozenset({Scope.READ, Scope.OPERATE})


def a_key(name: str = "ada", scopes: frozenset[Scope] = BOTH, key: str = "the-key-of-ada-0001") -> ApiKeyDigest:
    return ApiKeyDigest(name=name, scopes=scopes, sha256=hashlib.sha256(key.encode()).digest())


def signed(key: ApiKeyDigest | None = None, *, now_s: int = NOW_S) -> str:
    return sign_session(SECRETS, key or a_key(), nonce=NONCE, now_s=now_s)


def read(text: str, *keys: ApiKeyDigest, now_s: int = NOW_S, secrets: tuple[str, ...] = SECRETS) -> Session | None:
    return read_session(secrets, text, keys or (a_key(),), now_s=now_s)


def test_a_cookie_names_its_key_and_its_scopes() -> None:
    session = read(signed())
    assert session is not None
    assert (session.key_name, session.scopes, session.actor, session.may_operate) == ("ada", BOTH, "key ada", True)


def test_a_cookie_holds_nothing_of_the_key() -> None:
    key = a_key()
    text = URLSafeSerializer("x").loads_unsafe(signed(key))[1]
    assert set(text) == {"key", "scopes", "nonce", "mark", "at"}
    assert key.sha256.hex() not in str(text)
    assert "the-key-of-ada" not in str(text)


@pytest.mark.parametrize(("age_s", "is_open"), [(0, True), (SESSION_S, True), (SESSION_S + 1, False), (-301, False)])
def test_a_session_ends_after_twelve_hours(age_s: int, is_open: bool) -> None:
    assert (read(signed(), now_s=NOW_S + age_s) is not None) == is_open


def test_a_session_ends_with_its_key() -> None:
    assert read(signed(), a_key("bob", key="another-key-0001")) is None
    assert read(signed(), a_key(key="a-new-key-of-ada-01")) is None


def test_a_scope_that_the_key_has_lost_is_lost_to_the_session_and_one_that_it_gained_is_not_in_it() -> None:
    lost = read(signed(), a_key(scopes=frozenset({Scope.READ})))
    gained = read(signed(a_key(scopes=frozenset({Scope.READ}))))
    assert lost is not None
    assert gained is not None
    assert lost.scopes == gained.scopes == {Scope.READ}


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "x" * 2000, "eyJrZXkiOiJhZGEifQ.c2ln"])
def test_any_other_text_is_no_session(text: str) -> None:
    assert read(text) is None


def test_a_text_that_is_signed_by_another_key_or_for_another_use_is_no_session() -> None:
    assert read(signed(), secrets=("another-secret-0001",)) is None
    content = {"key": "ada", "scopes": ["read"], "nonce": NONCE, "mark": "0" * 32, "at": NOW_S}
    other = URLSafeSerializer(list(SECRETS), salt=b"another use").dumps(content)
    assert read(str(other)) is None


def test_an_older_secret_key_still_opens_its_sessions() -> None:
    text = sign_session(SECRETS[:1], a_key(), nonce=NONCE, now_s=NOW_S)
    assert read(text) is not None

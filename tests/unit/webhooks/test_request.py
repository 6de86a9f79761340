"""Requests, changes and rotations of subscriptions: their rules, and the subscriptions that they make."""

from typing import Any

import pytest

from receiver.events.model.event import EventType
from receiver.events.model.query import EventFilter
from receiver.webhooks.model.request import (
    SubscriptionRequest,
    apply_changes,
    create,
    merged,
    needs_handshake,
    request_of,
    rotate_keys,
    rotation_violations,
    validate_subscription,
    violations_of_change,
)
from receiver.webhooks.model.subscription import Subscription, SubscriptionState
from submitter.errors import Violation
from submitter.http.address_guard import AddressGuard
from submitter.standard_webhooks import new_signing_key
from tests.support.builders import SECRET, T0

URL = "https://hooks.example/a"
KEY, OTHER_KEY = new_signing_key(b"k" * 32), new_signing_key(b"o" * 32)
NEW_SECRET = "whsec_" + "bmV3" * 8
DAY_S = 86_400.0


def _request(**changes: Any) -> SubscriptionRequest:
    return SubscriptionRequest(**({"url": URL} | changes))


def _violations(**changes: Any) -> list[Violation]:
    return _validated(_request(**changes))


def _validated(request: SubscriptionRequest, *, has_public_url: bool = True) -> list[Violation]:
    known = ("hiapi", "dashscope")
    return list(
        validate_subscription(
            request, guard=AddressGuard(), providers=known, most_in_flight=64, has_public_url=has_public_url
        )
    )


def _change_violations(stored: Subscription, changes: dict[str, Any]) -> list[str]:
    found = _validated(merged(request_of(stored), changes))
    return [each.field for each in violations_of_change(found, changes)]


def _made(**changes: Any) -> Subscription:
    return create(_request(**changes), subscription_id="sub_1", secret=SECRET, signing_key=KEY, now_ms=T0)


def _changed(stored: Subscription, **changes: Any) -> Subscription:
    return apply_changes(stored, changes, signing_key=OTHER_KEY, now_ms=T0 + 5)


FULL: dict[str, Any] = {
    "description": "films of the shop",
    "types": ["task.succeeded", "subscription.disabled"],
    "providers": ["hiapi"],
    "models": ["happyhorse-1.1/text-to-video"],
    "labels": {"shop": "north"},
    "secret": SECRET,
    "asymmetric": True,
    "cloudevents": True,
    "handshake": True,
    "rate_per_s": 0.5,
    "max_in_flight": 64,
}


def test_a_request_with_every_field_breaks_no_rule() -> None:
    assert _violations(**FULL) == []
    assert _violations() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", ""),
        ("url", "https://hooks.example/" + "a" * 2_048),
        ("url", "https://hooks.example/\x00"),
        ("url", "ftp://hooks.example/a"),
        ("url", "http://hooks.example/a"),
        ("url", "https://10.0.0.1/a"),
        ("url", "https://169.254.169.254/a"),
        ("url", "https://0x7f.1/a"),
        ("url", "https://[::ffff:127.0.0.1]/a"),
        ("url", "https://user:word@hooks.example/a"),
        ("description", "a" * 501),
        ("description", "two\nlines"),
        ("description", "\ud800"),
        ("types", ["task.done"]),
        ("types", [""]),
        ("types", ["task.failed"] * 51),
        ("providers", ["modellix"]),
        ("providers", ["hiapi"] * 51),
        ("models", [""]),
        ("models", ["m" * 201]),
        ("models", ["m\x1b"]),
        ("models", ["m"] * 51),
        ("secret", "secret"),
        ("secret", "whsec_"),
        ("secret", "whsec_c2hvcnQ="),
        ("secret", "whsec_" + "YWFh" * 22),
        ("secret", "whsec_not base64!"),
        ("rate_per_s", 0.0),
        ("rate_per_s", -1.0),
        ("rate_per_s", 10_000.5),
        ("rate_per_s", float("nan")),
        ("rate_per_s", float("inf")),
        ("rate_per_s", 10**400),
        ("max_in_flight", 0),
        ("max_in_flight", 65),
    ],
)
def test_a_broken_rule_names_its_field_and_what_would_pass(field: str, value: Any) -> None:
    (violation,) = _violations(**{field: value})
    assert violation.field == field
    assert violation.accepted
    assert len(str(violation)) < 400


@pytest.mark.parametrize("labels", [{"": "x"}, {"a" * 65: "x"}, {"a": "x" * 257}, {f"l{n}": "x" for n in range(33)}])
def test_labels_have_the_rules_of_a_task(labels: dict[str, str]) -> None:
    (violation,) = _violations(labels=labels)
    assert violation.field.partition(".")[0] == "labels"


def test_every_violation_is_named_at_once() -> None:
    found = _violations(url="nowhere", types=["a", "b"], rate_per_s=0, max_in_flight=0, secret="x")
    assert [each.field for each in found] == ["url", "types", "types", "secret", "rate_per_s", "max_in_flight"]


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    (type_word,), (provider,) = _violations(types=["task.done"]), _violations(providers=["modellix"])
    assert type_word.accepted == ", ".join(kind.value for kind in EventType)
    assert provider.accepted == "hiapi, dashscope"


def test_nothing_of_a_secret_is_in_its_violation_or_in_a_repr() -> None:
    (violation,) = _violations(secret="whsec_hush")
    assert "hush" not in str(violation)
    assert SECRET not in repr(_request(secret=SECRET))
    made = _made(asymmetric=True)
    assert SECRET not in repr(made)
    assert KEY not in repr(made)


def test_a_handshake_without_a_public_address_names_the_setting() -> None:
    (violation,) = _validated(_request(handshake=True), has_public_url=False)
    assert violation.field == "handshake"
    assert "WHENFINAL_PUBLIC_URL" in violation.accepted


def test_a_request_becomes_a_subscription_that_gives_the_same_request() -> None:
    made = _made(**FULL)
    assert made.filter == EventFilter(
        types=frozenset({EventType.SUCCEEDED, EventType.SUBSCRIPTION_DISABLED}),
        providers=frozenset({"hiapi"}),
        models=frozenset({"happyhorse-1.1/text-to-video"}),
        labels={"shop": "north"},
    )
    assert (made.id, made.secret, made.signing_key, made.created_ms, made.changed_ms) == ("sub_1", SECRET, KEY, T0, T0)
    again = request_of(made)
    assert create(again, subscription_id="sub_1", secret=SECRET, signing_key=KEY, now_ms=T0) == made


def test_a_signing_key_is_only_there_when_it_was_asked_for() -> None:
    assert _made().signing_key is None


def test_a_change_leaves_the_other_fields_as_they_are() -> None:
    made = _made(**FULL)
    after = _changed(made, description="films of both shops")
    assert after.description == "films of both shops"
    assert (after.changed_ms, after.created_ms) == (T0 + 5, T0)
    assert request_of(after) == merged(request_of(made), {"description": "films of both shops"})
    assert (after.secret, after.signing_key) == (SECRET, KEY)


def test_none_sets_a_field_to_its_default() -> None:
    names = FULL.keys() - {"secret"}
    after = _changed(_made(**FULL), **dict.fromkeys(names))
    assert request_of(after) == request_of(_made())


def test_a_change_of_an_unknown_field_raises() -> None:
    with pytest.raises(ValueError, match="secret"):
        merged(_request(), {"secret": SECRET})


def test_enabling_ed25519_adds_a_key_and_disabling_it_removes_both() -> None:
    on = _changed(_made(), asymmetric=True)
    assert on.signing_key == OTHER_KEY
    assert _changed(_made(asymmetric=True), asymmetric=True).signing_key == KEY
    rotated = rotate_keys(_made(asymmetric=True), secret=NEW_SECRET, signing_key=OTHER_KEY, overlap_s=DAY_S, now_ms=T0)
    off = _changed(rotated, asymmetric=False)
    assert (off.signing_key, off.previous_signing_key) == (None, None)


def test_disabling_twice_leaves_the_first_reason_and_enabling_clears_it() -> None:
    off = _changed(_made(), enabled=False)
    assert (off.state, off.disabled_ms, off.disabled_reason) == (SubscriptionState.DISABLED, T0 + 5, "by hand")
    again = apply_changes(off, {"enabled": False}, signing_key=KEY, now_ms=T0 + 99)
    assert again.disabled_ms == T0 + 5
    on = _changed(off, enabled=True)
    assert (on.state, on.disabled_ms, on.disabled_reason) == (SubscriptionState.ACTIVE, None, None)


def test_only_changed_fields_must_be_valid_unless_the_subscription_is_enabled() -> None:
    stored = _made(providers=["gone"])
    assert _change_violations(stored, {"description": "x", "enabled": False}) == []
    assert _change_violations(stored, {"enabled": True}) == ["providers"]
    assert _change_violations(stored, {"labels": {"a": "\x00"}}) == ["labels.a"]
    assert _change_violations(stored, {"url": None}) == ["url"]


def test_after_a_rotation_the_old_pair_signs_for_the_overlap() -> None:
    rotated = rotate_keys(_made(asymmetric=True), secret=NEW_SECRET, signing_key=OTHER_KEY, overlap_s=DAY_S, now_ms=T0)
    until_ms = T0 + 86_400_000
    assert rotated.secrets_at(until_ms - 1) == (NEW_SECRET, SECRET)
    assert rotated.signing_keys_at(until_ms - 1) == (OTHER_KEY, KEY)
    assert rotated.secrets_at(until_ms) == (NEW_SECRET,)
    assert rotated.signing_keys_at(until_ms) == (OTHER_KEY,)


def test_a_rotation_without_overlap_ends_the_old_pair_at_once() -> None:
    rotated = rotate_keys(_made(asymmetric=True), secret=NEW_SECRET, signing_key=OTHER_KEY, overlap_s=0, now_ms=T0)
    assert (rotated.previous_secret, rotated.previous_signing_key, rotated.previous_until_ms) == (None, None, None)


def test_a_second_rotation_within_an_overlap_ends_the_first_pair() -> None:
    first = rotate_keys(_made(), secret=NEW_SECRET, signing_key=KEY, overlap_s=DAY_S, now_ms=T0)
    second = rotate_keys(first, secret="whsec_third", signing_key=KEY, overlap_s=DAY_S, now_ms=T0 + 1)
    assert second.secrets_at(T0 + 2) == ("whsec_third", NEW_SECRET)
    assert second.signing_keys_at(T0 + 2) == ()


@pytest.mark.parametrize("overlap_s", [-1.0, 2_592_001.0, float("nan"), float("inf")])
def test_an_overlap_out_of_range_is_refused(overlap_s: float) -> None:
    (violation,) = rotation_violations(None, overlap_s)
    assert violation.field == "overlap_s"


def test_a_rotation_to_an_unfit_secret_is_refused() -> None:
    assert [each.field for each in rotation_violations("whsec_c2hvcnQ=", 0)] == ["secret"]
    assert list(rotation_violations(SECRET, 2_592_000.0)) == []


_SHAKEN = _made(handshake=True, rate_per_s=2.0)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"description": "x"}, False),
        ({"enabled": True}, False),
        ({"url": "https://hooks.example/b"}, True),
        ({"rate_per_s": 3.0}, True),
        ({"handshake": False, "url": "https://hooks.example/b"}, False),
        ({"enabled": False, "url": "https://hooks.example/b"}, False),
    ],
)
def test_an_endpoint_is_asked_again_when_its_url_or_rate_changes(changes: dict[str, Any], needed: bool) -> None:
    assert needs_handshake(_SHAKEN, _changed(_SHAKEN, **changes)) is needed


def test_an_endpoint_is_asked_for_consent_when_it_is_new_or_enabled() -> None:
    disabled = _changed(_SHAKEN, enabled=False)
    assert needs_handshake(None, _SHAKEN)
    assert needs_handshake(_made(), _changed(_made(), handshake=True))
    assert needs_handshake(disabled, _changed(disabled, enabled=True))
    assert not needs_handshake(None, _made())


def test_without_the_handshake_there_is_no_granted_rate() -> None:
    granted = create(_request(handshake=True), subscription_id="sub_1", secret=SECRET, signing_key=KEY, now_ms=T0)
    assert _changed(granted, handshake=False).granted_per_s is None

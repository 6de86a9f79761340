"""Wrong keys of one address are slowed down, and no number of addresses takes more memory."""

from receiver.web.dashboard.guard import ADDRESSES, POLICY, TRIES, TRY_AGAIN_S, SignInLimit


def test_an_address_may_try_ten_wrong_keys_and_then_one_in_six_seconds() -> None:
    limit = SignInLimit()
    for _ in range(TRIES):
        assert limit.wait_s("a", 0.0) == 0.0
        limit.count_wrong("a", 0.0)
    assert limit.wait_s("a", 0.0) == TRY_AGAIN_S
    assert limit.wait_s("a", TRY_AGAIN_S) == 0.0
    limit.count_wrong("a", TRY_AGAIN_S)
    assert limit.wait_s("a", TRY_AGAIN_S) > 0.0


def test_one_address_does_not_slow_down_another() -> None:
    limit = SignInLimit()
    for _ in range(TRIES):
        limit.count_wrong("a", 0.0)
    assert limit.wait_s("b", 0.0) == 0.0


def test_only_so_many_addresses_are_remembered() -> None:
    limit = SignInLimit()
    for number in range(ADDRESSES + 100):
        limit.count_wrong(str(number), 0.0)
    assert len(limit._tries) == ADDRESSES


def test_a_clock_that_is_set_back_gives_no_more_tries() -> None:
    limit = SignInLimit()
    for _ in range(TRIES):
        limit.count_wrong("a", 100.0)
    assert limit.wait_s("a", 0.0) > 0.0


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert "default-src 'none'" in POLICY

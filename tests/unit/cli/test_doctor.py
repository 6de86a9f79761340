"""What the doctor finds in settings, in providers' answers and in subscriptions."""

from pathlib import Path
from typing import Any

import pytest

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.metrics.snapshot import NONE, Open, ProviderSnapshot, Snapshot
from receiver.runtime.clock import now_ms
from receiver.runtime.doctor.checks import Check, Level, broken_settings, check_settings
from receiver.runtime.doctor.ledger_checks import (
    check_backup,
    check_fan_out,
    check_keys,
    check_pauses,
    check_tasks,
    check_webhooks,
)
from receiver.runtime.doctor.network import check_network
from receiver.store.accounts import AccountStatus
from receiver.store.backups import BackupNote
from receiver.store.url import LedgerFile
from receiver.webhooks.model.delivery import FanOutLag
from receiver.webhooks.model.endpoint_health import EndpointState
from receiver.webhooks.model.endpoint_status import EndpointStatus
from receiver.webhooks.model.request import DISABLED_MANUALLY
from receiver.webhooks.model.subscription import Subscription, SubscriptionState, SubscriptionStatus
from submitter.errors import ConnectFailed, ExchangeTimeout
from submitter.http.messages import HttpCall, HttpReply
from submitter.http.transport import Transport
from tests.support.builders import T0

KEY = "a-key-that-nobody-else-has"


class _Answers(Transport):
    """A transport on which every call has the same outcome."""

    def __init__(self, end: HttpReply | Exception) -> None:
        self._end = end

    async def send(self, call: HttpCall, *, timeout_s: float | None = None) -> HttpReply:
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


def _settings(**given: str) -> Settings:
    return Settings.from_mapping({"HIAPI_API_KEY": KEY, "HIAPI_WEBHOOK_SECRET": "s" * 32, **given})


def _levels(**given: str) -> dict[str, Level]:
    return {check.name: check.level for check in check_settings(_settings(**given))}


async def _first_check(end: HttpReply | Exception, **given: str) -> Check:
    return (await check_network(_settings(**given), _Answers(end)))[0]


def test_strong_settings_are_ok() -> None:
    strong = {"WHENFINAL_PUBLIC_URL": "https://w.example.org", "WHENFINAL_SECRET_KEYS": "k" * 32}
    assert set(_levels(**strong).values()) == {Level.OK}


def test_the_address_of_an_account_is_told_by_its_command_and_not_itself() -> None:
    """Because whoever may only read the checks may not use its token."""
    given = {"DASHSCOPE_API_KEY": KEY, "WHENFINAL_SECRET_KEYS": "k" * 32}
    reached = check_settings(_settings(**given, WHENFINAL_PUBLIC_URL="https://w.example.org"))
    (row,) = [check for check in reached if check.name == "dashscope"]
    assert (row.level, row.what.endswith("see: whenfinal callbacks address dashscope")) == (Level.OK, True)
    assert [check for check in check_settings(_settings(**given)) if check.name == "dashscope"] == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"WHENFINAL_PUBLIC_URL": ""}, "public URL"),
        ({"WHENFINAL_SECRET_KEYS": "k" * 31}, "secret keys"),
        ({"WHENFINAL_API_KEYS": "a:read:" + "k" * 31}, "API keys"),
        ({"HIAPI_API_KEY": "your-key-here"}, "hiapi"),
        ({"HIAPI_WEBHOOK_SECRET": ""}, "hiapi"),
        ({"HIAPI_WEBHOOK_SECRET": "short"}, "hiapi"),
    ],
)
def test_weak_settings_are_a_warning(given: dict[str, str], name: str) -> None:
    assert _levels(**given)[name] is Level.WARN


def test_words_that_an_account_was_taught_are_shown() -> None:
    checks = check_settings(_settings(HIAPI_STATE_WORDS="Done=succeeded, timed out=failed"))
    assert "is taught by HIAPI_STATE_WORDS: done means succeeded, timed out means failed" in [
        check.what for check in checks if check.name == "hiapi" and check.level is Level.OK
    ]


def test_no_provider_at_all_is_a_failure() -> None:
    (failed,) = [check for check in check_settings(Settings.from_mapping({})) if check.level is Level.FAIL]
    assert (failed.name, "HIAPI_API_KEY" in failed.hint) == ("providers", True)


def test_every_broken_setting_becomes_a_failure_with_its_hint() -> None:
    with pytest.raises(ConfigError) as error:
        Settings.from_mapping({"WHENFINAL_LEASE_S": "x", "WHENFINAL_NONSENSE": "y"})
    checks = broken_settings(error.value)
    assert len(checks) == 2
    assert all(check.level is Level.FAIL and check.hint for check in checks)


@pytest.mark.parametrize(
    ("end", "level", "words"),
    [
        (HttpReply(status=404, body=b'{"code":404,"message":"task not found"}'), Level.OK, "accepts the key"),
        (HttpReply(status=401, body=b"{}"), Level.FAIL, "refuses the key with 401"),
        (HttpReply(status=403, body=b"{}"), Level.FAIL, "refuses the key with 403"),
        (HttpReply(status=429, body=b"{}"), Level.WARN, "throttled the request"),
        (HttpReply(status=502, body=b"<html>"), Level.WARN, "no usable answer"),
        (ConnectFailed("refused"), Level.FAIL, "can not be reached: refused"),
        (ExchangeTimeout("slow"), Level.FAIL, "gave no complete answer: slow"),
    ],
    ids=lambda value: None if isinstance(value, str | Level) else getattr(value, "status", type(value).__name__),
)
async def test_a_providers_answer_shows_whether_its_key_is_accepted(end: Any, level: Level, words: str) -> None:
    check = await _first_check(end)
    assert (check.level, words in check.what, bool(check.hint)) == (level, True, level is not Level.OK)


async def test_a_key_that_a_provider_quotes_is_hidden() -> None:
    check = await _first_check(HttpReply(status=401, body=f'{{"code":401,"message":"bad key {KEY}"}}'.encode()))
    assert KEY not in check.what


@pytest.mark.parametrize(
    ("date", "level"),
    [("Mon, 01 Jan 2001 00:00:00 GMT", Level.FAIL), ("nonsense", None), ("", None), ("Mon, 99 Foo 2001", None)],
)
async def test_a_providers_date_shows_a_wrong_clock(date: str, level: Level | None) -> None:
    reply = HttpReply(status=404, headers=(("date", date),), body=b'{"code":404,"message":"x"}')
    checks = await check_network(_settings(), _Answers(reply))
    assert [check.level for check in checks if check.name == "clock"] == ([] if level is None else [level])
    assert now_ms() > 0


async def test_a_public_url_without_an_address_is_a_failure() -> None:
    url = {"WHENFINAL_PUBLIC_URL": "https://no-such-name.invalid"}
    checks = await check_network(_settings(**url), _Answers(HttpReply(status=404)))
    assert (checks[-1].name, checks[-1].level) == ("public URL", Level.FAIL)


def _status(name: str, failures: int = 0, disabled_for: str | None = None) -> SubscriptionStatus:
    state = SubscriptionState.DISABLED if disabled_for else SubscriptionState.ACTIVE
    own = Subscription(
        id=name,
        url="https://a.example",
        secret="s",
        created_ms=0,
        changed_ms=0,
        state=state,
        disabled_reason=disabled_for,
    )
    return SubscriptionStatus(
        subscription=own, endpoint=EndpointState(id=name, failures=failures, failing_since_ms=40 if failures else None)
    )


@pytest.mark.parametrize(
    ("statuses", "dead", "found"),
    [
        ([], 0, []),
        ([_status("sub_1"), _status("sub_2", disabled_for=DISABLED_MANUALLY)], 0, ["2 subscribed, all working"]),
        ([_status("sub_1", disabled_for="answered 410")], 0, ["1 disabled because of their answers: sub_1"]),
        ([_status("sub_1", failures=1)], 3, ["1 subscribed that fail or are paused: sub_1", "dead letters: 3"]),
        (
            [_status("sub_1", failures=9, disabled_for="answered 410")],
            0,
            ["1 disabled because of their answers: sub_1"],
        ),
        (
            [_status(f"sub_{each}", failures=9) for each in range(5)],
            0,
            ["5 subscribed that fail or are paused: sub_0, sub_1, sub_2 and 2 more"],
        ),
    ],
)
def test_webhooks_that_do_not_arrive_are_found_with_their_hint(
    statuses: list[SubscriptionStatus], dead: int, found: list[str]
) -> None:
    checks = list(check_webhooks(statuses, [], Open(number=dead), 0))
    assert [check.what for check in checks] == found
    assert all((check.level is Level.OK) == (check.hint == "") for check in checks)
    assert {check.since_ms for check in checks if "that fail" in check.what} <= {40}


@pytest.mark.parametrize(
    ("lag", "level"),
    [
        (None, None),
        (FanOutLag(events=3, type="task.succeeded", at_ms=40_000), None),
        (FanOutLag(events=3, type="task.succeeded", at_ms=39_999), Level.WARN),
        (FanOutLag(events=3, type="task.from_a_newer_version", at_ms=99_999), Level.FAIL),
    ],
)
def test_events_without_their_deliveries_are_found_with_their_number_and_age(
    lag: FanOutLag | None, level: Level | None
) -> None:
    checks = list(check_fan_out(lag, 100_000))
    assert [check.level for check in checks] == ([] if level is None else [level])
    assert all("events without deliveries: 3, since " in check.what and check.hint for check in checks)


def _host(name: str, *, dead: int = 0, **health: Any) -> EndpointStatus:
    return EndpointStatus(endpoint=EndpointState(id=f"https://{name}.example", **health), pending=1, dead=dead)


@pytest.mark.parametrize(
    "health",
    [{"failures": 1}, {"failures": 9, "paused_until_ms": 100}, {"throttled_rate_per_s": 1.0}, {"paused_until_ms": 100}],
)
def test_trouble_at_a_host_of_notify_is_found_as_at_a_subscription(health: dict[str, Any]) -> None:
    status = SubscriptionStatus(
        subscription=_status("sub_1").subscription, endpoint=EndpointState(id="sub_1", **health)
    )
    (own,) = check_webhooks([status], [], NONE, 50)
    assert (own.what, own.level) == ("1 subscribed that fail or are paused: sub_1", Level.WARN)
    (check,) = check_webhooks([_status("sub_1")], [_host("a", **health)], NONE, 50)
    assert (check.what, check.level) == ("1 named in notify that fail or are paused: https://a.example", Level.WARN)
    assert "whenfinal endpoints resume HOST" in check.hint


def test_dead_letters_are_told_apart_by_what_sends_them_again() -> None:
    hosts = [_host("a", dead=2), _host("b", dead=5, failures=1), _host("c", failures=1)]
    own, failing, dead = check_webhooks([], hosts, Open(number=10), 50)
    assert (own.what, "whenfinal replay" in own.hint) == ("dead letters: 3", True)
    assert failing.what == "2 named in notify that fail or are paused: https://b.example, https://c.example"
    assert dead.what == "dead letters at hosts of notify: 7, at https://a.example, https://b.example"
    assert "whenfinal endpoints resume HOST --dead-letters" in dead.hint


def test_what_needs_an_operator_is_counted_with_its_age() -> None:
    hiapi = ProviderSnapshot(
        name="hiapi",
        queued=Open(number=4, since_ms=T0 - 1_000),
        uncertain=Open(number=2, since_ms=T0 - 60_000),
        overdue=Open(number=1, since_ms=T0 - 5_000),
    )
    other = ProviderSnapshot(name="other", uncertain=Open(number=1, since_ms=T0 - 600_000))
    found = {each.name: each for each in check_tasks(Snapshot(at_ms=T0, providers=(hiapi, other)))}
    assert {name: (each.level.value, each.count, each.since_ms) for name, each in found.items()} == {
        "uncertain": ("warn", 3, T0 - 600_000),
        "overdue": ("warn", 1, T0 - 5_000),
        "contradicted": ("ok", 0, None),
        "unknown states": ("ok", 0, None),
        "queue": ("ok", 4, T0 - 1_000),
    }
    assert not any("oldest" in each.what for each in found.values())
    assert all((each.level is Level.OK) == (each.hint == "") for each in found.values())


def test_a_number_that_was_not_counted_to_its_end_says_so() -> None:
    many = ProviderSnapshot(name="hiapi", overdue=Open(number=100_000, since_ms=T0))
    (overdue,) = [each for each in check_tasks(Snapshot(at_ms=T0, providers=(many,))) if each.level is Level.WARN]
    assert overdue.what.startswith("100,000 or more overdue")


def test_each_pause_is_named_with_what_ends_it() -> None:
    (well,) = check_pauses([AccountStatus(provider="a", tokens=1.0, refilled_ms=0, paused_until_ms=T0)], T0)
    assert (well.level, well.count) == (Level.OK, 0)
    held = AccountStatus(
        provider="hiapi",
        tokens=1.0,
        refilled_ms=0,
        paused_until_ms=T0 + 1,
        paused_reason="throttled",
        submits_paused_until_ms=T0 + 2,
        submits_paused_reason="unavailable",
    )
    polls, submits = check_pauses([held], T0)
    assert "hiapi: polls are paused until" in polls.what
    assert "hiapi: submits are held back until" in submits.what
    assert polls.hint.endswith("whenfinal providers resume hiapi")


@pytest.mark.parametrize(
    ("last", "level"),
    [
        (None, Level.WARN),
        (BackupNote(at_ms=T0 - 8 * 86_400_000, place="s3"), Level.WARN),
        (BackupNote(at_ms=T0 - 3_600_000, place="s3"), Level.OK),
    ],
)
def test_the_age_of_the_last_backup_is_told(last: BackupNote | None, level: Level) -> None:
    check = check_backup(last, LedgerFile(path=Path("whenfinal.db")), T0)
    assert (check.level, check.since_ms, " ago" in check.what) == (level, None, last is not None)
    assert ("whenfinal backup FILE" in check.hint) is (level is Level.WARN)


@pytest.mark.parametrize(
    ("scopes", "level"), [([], Level.OK), ([{Scope.READ}], Level.WARN), ([{Scope.READ}, set(Scope)], Level.OK)]
)
def test_keys_of_which_none_may_operate_are_a_warning(scopes: list[set[Scope]], level: Level) -> None:
    keys = [ApiKeyDigest(name=f"k{number}", scopes=frozenset(each), sha256=b"") for number, each in enumerate(scopes)]
    check = check_keys(keys)
    assert (check.level, check.count) == (level, len(keys))
    assert ("whenfinal keys create" in check.hint) is (level is Level.WARN)

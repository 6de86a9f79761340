"""Environment variables become settings, or every problem is named."""

from ipaddress import ip_network
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from receiver.config.environment import list_settings
from receiver.config.errors import ConfigError
from receiver.config.reference import render_env_example, render_settings_table
from receiver.config.settings import Settings, read_settings
from submitter.model import TaskState
from submitter.providers.registry import ADAPTERS

ROOT = Path(__file__).resolve().parents[3]
HIAPI = {"HIAPI_API_KEY": "key-of-hiapi"}
LOOPBACK_HIAPI = {**HIAPI, "HIAPI_BASE_URL": "http://127.0.0.1:9000/hiapi"}
LONG_KEY = "0123456789abcdef"


def settings_of(**given: str) -> Settings:
    return Settings.from_mapping(given)


def problems_of(given: dict[str, str]) -> dict[str, str]:
    """Variable → rule and hint; fails when the settings are accepted."""
    read = read_settings(given)
    assert not isinstance(read, Settings)
    return {problem.variable: f"{problem.rule}; {problem.hint}" for problem in read}


def test_an_empty_environment_gives_every_default() -> None:
    settings = settings_of()
    assert (settings.public_url, settings.database.url, settings.providers.accounts) == (
        None,
        "sqlite:///whenfinal.db",
        (),
    )
    assert settings.delivery.backoff_s == (5, 30, 120, 600, 3600, 14400, 43200)
    assert (settings.callbacks.max_bytes, settings.providers.timeout_s, settings.providers.submit_tries) == (
        1_048_576,
        60,
        3,
    )


def test_blank_is_the_same_as_unset() -> None:
    assert Settings.from_mapping({each.env: "  " for each in list_settings(Settings)}) == settings_of()


def test_every_setting_has_its_own_name_a_heading_and_a_description() -> None:
    known = list_settings(Settings)
    assert len({each.env for each in known}) == len({each.path for each in known}) == 42
    assert all(each.env.startswith("WHENFINAL_") and each.group and each.what for each in known)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("WHENFINAL_PUBLIC_URL", "https://hooks.example.com/when/", "https://hooks.example.com/when"),
        ("WHENFINAL_DATABASE_URL", "sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
        ("WHENFINAL_SECRET_KEYS", f"{LONG_KEY}, {LONG_KEY}2", (LONG_KEY, f"{LONG_KEY}2")),
        ("WHENFINAL_ALLOW_PRIVATE", "10.0.0.0/8,fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
        ("WHENFINAL_WEBHOOK_BACKOFF_S", "0.5, 2", (0.5, 2.0)),
        (
            "WHENFINAL_CORS_ORIGINS",
            "https://app.example.com, http://127.0.0.1:5173,http://[::1]:8080,https://app.example.com",
            ("https://app.example.com", "http://127.0.0.1:5173", "http://[::1]:8080"),
        ),
        ("WHENFINAL_LEASE_S", "90.5", 90.5),
        ("WHENFINAL_SUBMIT_TRIES", "1", 1),
        ("WHENFINAL_LOG_LEVEL", "DEBUG", "debug"),
    ],
)
def test_a_valid_text_becomes_its_value(variable: str, text: str, value: object) -> None:
    (path,) = (each.path for each in list_settings(Settings) if each.env == variable)
    assert attrgetter(".".join(path))(Settings.from_mapping({variable: text})) == value


def test_only_a_postgres_server_is_listened_to() -> None:
    server = "postgresql://ann:hush-hush@db/when"
    listening = {"WHENFINAL_DATABASE_LISTEN_URL": server}
    settings = Settings.from_mapping({"WHENFINAL_DATABASE_URL": server} | listening)
    assert settings.database.listen_url == server
    assert "hush" not in repr(settings)
    for given in (listening, {"WHENFINAL_DATABASE_URL": server, "WHENFINAL_DATABASE_LISTEN_URL": "sqlite:///a.db"}):
        assert "only a Postgres server" in problems_of(given)["WHENFINAL_DATABASE_LISTEN_URL"]


def test_an_api_key_has_a_name_and_scopes() -> None:
    (key,) = settings_of(WHENFINAL_API_KEYS=f"ci:submit+read:{LONG_KEY}:more").api.keys
    assert (key.name, key.scopes, key.key) == ("ci", frozenset({"submit", "read"}), f"{LONG_KEY}:more")


BAD = [
    ("WHENFINAL_PUBLIC_URL", "hooks.example.com"),
    ("WHENFINAL_PUBLIC_URL", "ftp://hooks.example.com"),
    ("WHENFINAL_PUBLIC_URL", "https://user:word@hooks.example.com"),
    ("WHENFINAL_PUBLIC_URL", "https://hooks.example.com?a=1"),
    ("WHENFINAL_PUBLIC_URL", "https://hooks.example.com/#"),
    ("WHENFINAL_PUBLIC_URL", "https://hooks.example.com:99999"),
    ("WHENFINAL_PUBLIC_URL", "https://hoo ks.example.com"),
    ("WHENFINAL_PUBLIC_URL", "https://[::1"),
    ("WHENFINAL_PUBLIC_URL", "https://häuser.example"),
    ("WHENFINAL_DATABASE_URL", "mysql://db/when"),
    ("WHENFINAL_DATABASE_URL", "sqlite://relative.db"),
    ("WHENFINAL_DATABASE_URL", "sqlite:///?mode=ro"),
    ("WHENFINAL_SECRET_KEYS", "too-short"),
    ("WHENFINAL_SECRET_KEYS", f"{LONG_KEY},{LONG_KEY}"),
    ("WHENFINAL_API_KEYS", LONG_KEY),
    ("WHENFINAL_API_KEYS", f"ci::{LONG_KEY}"),
    ("WHENFINAL_API_KEYS", f"ci:sumbit:{LONG_KEY}"),
    ("WHENFINAL_API_KEYS", "ci:submit:short"),
    ("WHENFINAL_API_KEYS", f"ci:submit:{LONG_KEY},ci:read:{LONG_KEY}2"),
    ("WHENFINAL_API_KEYS", f"ci:submit:{LONG_KEY},cd:read:{LONG_KEY}"),
    ("WHENFINAL_CORS_ORIGINS", "*"),
    ("WHENFINAL_CORS_ORIGINS", "null"),
    ("WHENFINAL_CORS_ORIGINS", "app.example.com"),
    ("WHENFINAL_CORS_ORIGINS", "https://*.example.com"),
    ("WHENFINAL_CORS_ORIGINS", "https://app.example.com/"),
    ("WHENFINAL_CORS_ORIGINS", "https://App.example.com"),
    ("WHENFINAL_CORS_ORIGINS", "https://app.example.com:443"),
    ("WHENFINAL_CORS_ORIGINS", "https://app.example.com https://b.example.com"),
    ("WHENFINAL_CORS_ORIGINS", "ftp://app.example.com"),
    ("WHENFINAL_ALLOW_PRIVATE", "10.0.0.1/8"),
    ("WHENFINAL_ALLOW_PRIVATE", "everything"),
    ("WHENFINAL_SUBMIT_TRIES", "0"),
    ("WHENFINAL_SUBMIT_TRIES", "1.5"),
    ("WHENFINAL_SUBMIT_TRIES", "٣"),
    ("WHENFINAL_SUBMIT_TRIES", "9" * 5000),
    ("WHENFINAL_LEASE_S", "nan"),
    ("WHENFINAL_LEASE_S", "-60"),
    ("WHENFINAL_LEASE_S", "1e3"),
    ("WHENFINAL_WEBHOOK_BACKOFF_S", ","),
    ("WHENFINAL_WEBHOOK_BACKOFF_S", "5;30"),
    ("WHENFINAL_LOG_FORMAT", "xml"),
    ("WHENFINAL_PROVIDERS", "HiAPI"),
    ("WHENFINAL_PROVIDERS", "whenfinal-x=hiapi"),
]


@pytest.mark.parametrize(("variable", "text"), BAD)
def test_an_invalid_text_is_named_by_its_variable_and_never_repeated(variable: str, text: str) -> None:
    problems = problems_of({variable: text})
    assert list(problems) == [variable]
    assert len(text) < 5 or text not in problems[variable]


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(WHENFINAL_LEASE_S="x", WHENFINAL_LOG_LEVEL="x", WHENFINAL_TYPO="x", WHENFINAL_PROVIDERS="hiapi")
    names = ("WHENFINAL_LEASE_S", "WHENFINAL_LOG_LEVEL", "WHENFINAL_TYPO", "HIAPI_API_KEY")
    assert all(name in str(caught.value) for name in names)


def test_for_a_mistyped_variable_the_nearest_one_is_suggested() -> None:
    assert problems_of({"WHENFINAL_PUBLIC_ULR": "x"}) == {
        "WHENFINAL_PUBLIC_ULR": "there is no such setting; did you mean WHENFINAL_PUBLIC_URL?"
    }


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("HIAPI_APIKEY", "HIAPI_API_KEY"),
        ("DASHSCOPE_API_KY", "DASHSCOPE_API_KEY"),
        ("TOKENBAY_API_KEYS", "TOKENBAY_API_KEY"),
        ("modellix_api_key", "MODELLIX_API_KEY"),
    ],
)
def test_a_mistyped_provider_key_is_named_while_no_provider_has_one(mistyped: str, meant: str) -> None:
    assert problems_of({mistyped: "k"}) == {
        mistyped: f"there is no such setting, and no provider has a key; did you mean {meant}?"
    }
    assert [each.name for each in Settings.from_mapping({**LOOPBACK_HIAPI, mistyped: "k"}).providers.accounts] == [
        "hiapi"
    ]


def test_a_mistyped_setting_that_a_named_provider_lacks_is_named() -> None:
    given = {"WHENFINAL_PROVIDERS": "gate=newapi", "GATE_APIKEY": "k", "GATE_BASE_UR": "https://gate.example"}
    problems = problems_of(given)
    assert problems["GATE_API_KEY"].endswith("; GATE_APIKEY is set: give it this name")
    assert problems["GATE_BASE_URL"].endswith("; GATE_BASE_UR is set: give it this name")


@pytest.mark.parametrize(
    "name",
    [
        "DASHSCOPE_HTTP_BASE_URL",
        "DASHSCOPE_API_KEY_FILE_PATH",
        "DASHSCOPE_WORKSPACE_ID",
        "HIAPI_B_API_KEY",
        "HIAPIKEY",
        "SOME_API_KY",
    ],
)
def test_variables_of_other_programs_under_a_providers_prefix_are_no_mistakes(name: str) -> None:
    assert Settings.from_mapping({name: "k"}).providers.accounts == ()
    missing = problems_of({"WHENFINAL_PROVIDERS": "hiapi,dashscope", name: "k"})
    assert not any(name in message for message in missing.values())


def test_variables_of_other_programs_are_ignored() -> None:
    assert settings_of(DASHSCOPE_HTTP_BASE_URL="x", PATH="/bin", HIAPI_BASE_URL="not read") == settings_of()


def test_a_key_alone_configures_its_provider() -> None:
    (account,) = Settings.from_mapping(HIAPI).providers.accounts
    assert (account.name, account.adapter, account.base_url) == ("hiapi", "hiapi", "https://api.hiapi.ai")
    assert (account.api_key, account.webhook_secret, account.signature_window_s) == ("key-of-hiapi", None, 300)


def test_only_named_providers_are_used_in_their_order() -> None:
    given = {**HIAPI, "TOKENBAY_API_KEY": "k", "MODELLIX_API_KEY": "k", "WHENFINAL_PROVIDERS": "modellix, hiapi"}
    assert [account.name for account in Settings.from_mapping(given).providers.accounts] == ["modellix", "hiapi"]


def test_a_second_account_reads_its_own_variables() -> None:
    given = {
        "WHENFINAL_PROVIDERS": "hiapi-b=hiapi",
        "HIAPI_B_API_KEY": "b",
        "HIAPI_B_BASE_URL": "https://b.example/v/",
        "HIAPI_B_WEBHOOK_SECRET": "s",
        "HIAPI_B_SIGNATURE_WINDOW_S": "0",
    }
    (account,) = Settings.from_mapping(given).providers.accounts
    assert (account.name, account.adapter, account.base_url) == ("hiapi-b", "hiapi", "https://b.example/v")
    assert (account.webhook_secret, account.signature_window_s) == ("s", 0)


def test_a_gateway_on_a_private_network_may_be_plain_http() -> None:
    given = {"WHENFINAL_PROVIDERS": "gate=newapi", "GATE_API_KEY": "k", "GATE_BASE_URL": "http://new-api:3000"}
    assert Settings.from_mapping(given).providers.accounts[0].base_url == "http://new-api:3000"


def test_an_adapters_option_has_its_default_and_takes_its_choices() -> None:
    given = {"MODELLIX_API_KEY": "k"}
    assert Settings.from_mapping(given).providers.accounts[0].options == {"path": "async"}
    assert Settings.from_mapping({**given, "MODELLIX_PATH": "plain"}).providers.accounts[0].options == {"path": "plain"}


def test_an_account_can_be_taught_words_for_every_state_that_a_provider_reports() -> None:
    given = "Besteld=submitted, bezig=RUNNING ,klaar=succeeded,timed out=failed,gestopt=canceled,"
    (account,) = settings_of(**HIAPI, HIAPI_STATE_WORDS=given).providers.accounts
    assert account.state_words == {
        "besteld": TaskState.SUBMITTED,
        "bezig": TaskState.RUNNING,
        "klaar": TaskState.SUCCEEDED,
        "timed out": TaskState.FAILED,
        "gestopt": TaskState.CANCELED,
    }
    assert settings_of(**HIAPI).providers.accounts[0].state_words == {}


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("done", "entry 1 is not a word and a state"),
        ("a=failed,=failed", "entry 2 is not a word and a state"),
        ("a=failed,done=", "entry 2 names a state that no word can mean"),
        ("done=expired", "entry 1 names a state that no word can mean"),
        ("done=success", "entry 1 names a state that no word can mean"),
        ("done=queued", "entry 1 names a state that no word can mean"),
        ("a=failed=b", "entry 1 names a state that no word can mean"),
        ("done=failed,x=failed,DONE=succeeded", "entry 3 has the word of an earlier one"),
        ("a\x00b=failed", "entry 1 is not a word and a state"),
    ],
)
def test_a_wrong_word_stops_the_start_and_names_its_entry(given: str, rule: str) -> None:
    problems = problems_of({**HIAPI, "HIAPI_STATE_WORDS": given})
    assert list(problems) == ["HIAPI_STATE_WORDS"]
    assert problems["HIAPI_STATE_WORDS"].startswith(rule)


CONTRADICTIONS: list[tuple[dict[str, str], str]] = [
    ({"WHENFINAL_PROVIDERS": "hiapi"}, "HIAPI_API_KEY"),
    ({"WHENFINAL_PROVIDERS": "gate"}, "WHENFINAL_PROVIDERS"),
    ({"WHENFINAL_PROVIDERS": "gate=oldapi"}, "WHENFINAL_PROVIDERS"),
    ({**HIAPI, "WHENFINAL_PROVIDERS": "hiapi="}, "WHENFINAL_PROVIDERS"),
    ({**HIAPI, "WHENFINAL_PROVIDERS": "hiapi,hiapi"}, "WHENFINAL_PROVIDERS"),
    ({"WHENFINAL_PROVIDERS": "gate=newapi", "GATE_API_KEY": "k"}, "GATE_BASE_URL"),
    ({**HIAPI, "HIAPI_BASE_URL": "http://api.example.com"}, "HIAPI_BASE_URL"),
    ({**HIAPI, "HIAPI_BASE_URL": "https://a.example/?key=1"}, "HIAPI_BASE_URL"),
    ({"HIAPI_API_KEY": "two words"}, "HIAPI_API_KEY"),
    ({**HIAPI, "HIAPI_SIGNATURE_WINDOW_S": "-1"}, "HIAPI_SIGNATURE_WINDOW_S"),
    ({"MODELLIX_API_KEY": "k", "MODELLIX_WEBHOOK_SECRET": "s"}, "MODELLIX_WEBHOOK_SECRET"),
    ({"MODELLIX_API_KEY": "k", "MODELLIX_PATH": "sync"}, "MODELLIX_PATH"),
    ({**HIAPI, "WHENFINAL_PUBLIC_URL": "http://hooks.example.com"}, "WHENFINAL_PUBLIC_URL"),
    ({**HIAPI, "WHENFINAL_PUBLIC_URL": "https://localhost:8000"}, "WHENFINAL_PUBLIC_URL"),
    ({**HIAPI, "WHENFINAL_PUBLIC_URL": "https://10.1.2.3"}, "WHENFINAL_PUBLIC_URL"),
    ({"WHENFINAL_DASHBOARD_URL": "http://ops.example.com"}, "WHENFINAL_DASHBOARD_URL"),
    ({**HIAPI, "WHENFINAL_PROVIDER_SPEED": "60"}, "WHENFINAL_PROVIDER_SPEED"),
    ({"WHENFINAL_PROVIDER_TIMEOUT_S": "61"}, "WHENFINAL_PROVIDER_TIMEOUT_S"),
    ({"WHENFINAL_WEBHOOK_CONNECT_S": "16"}, "WHENFINAL_WEBHOOK_CONNECT_S"),
    ({"WHENFINAL_DELIVERY_PER_ENDPOINT": "65"}, "WHENFINAL_DELIVERY_PER_ENDPOINT"),
]


@pytest.mark.parametrize(("given", "variable"), CONTRADICTIONS)
def test_a_contradiction_names_the_variable_to_change(given: dict[str, str], variable: str) -> None:
    assert list(problems_of(given)) == [variable]


def test_with_simulated_providers_callbacks_may_be_plain_and_time_may_run_faster() -> None:
    given = {**LOOPBACK_HIAPI, "WHENFINAL_PUBLIC_URL": "http://127.0.0.1:8000", "WHENFINAL_PROVIDER_SPEED": "60"}
    settings = Settings.from_mapping(given)
    assert (settings.public_url, settings.providers.speed) == ("http://127.0.0.1:8000", 60)


def test_a_repr_shows_no_secret() -> None:
    secret = "s3cr3t-s3cr3t-s3cr3t"
    given: dict[str, Any] = {
        "WHENFINAL_SECRET_KEYS": secret,
        "WHENFINAL_API_KEYS": f"ci:read:{secret}",
        "HIAPI_API_KEY": secret,
        "HIAPI_WEBHOOK_SECRET": secret,
    }
    assert secret not in repr(Settings.from_mapping(given))


def test_the_example_file_in_the_repository_is_up_to_date() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == render_env_example()


def test_the_example_file_as_it_is_changes_nothing() -> None:
    given = {name: text or "" for name, text in dotenv_values(ROOT / ".env.example").items()}
    assert Settings.from_mapping(given) == settings_of()
    assert "WHENFINAL_PUBLIC_URL" in given


def test_every_setting_is_in_the_table() -> None:
    table = render_settings_table()
    assert all(f"`{each.env}`" in table for each in list_settings(Settings))
    assert {line.count(" | ") for line in table.splitlines()[2:]} == {4}


def test_every_adapter_has_its_section_in_the_example_file() -> None:
    text = render_env_example()
    assert all(f"# ---- {adapter.CAPABILITIES.title}" in text for adapter in ADAPTERS.values())


@pytest.mark.parametrize(
    "name",
    ["WHENFINAL_PORT", "WHENFINAL_SERVICE_HOST", "WHENFINAL_SERVICE_PORT_HTTP", "WHENFINAL_PORT_8000_TCP_ADDR"],
)
def test_variables_that_a_cluster_sets_for_a_service_of_our_name_are_accepted(name: str) -> None:
    assert Settings.from_mapping({name: "tcp://10.0.0.1:8000"}).providers.accounts == ()


@pytest.mark.parametrize(
    ("text", "limit"), [("", None), ("1", 1), ("100000", 100_000), ("0", "bad"), ("-1", "bad"), ("many", "bad")]
)
def test_an_account_may_have_a_limit_of_tasks_in_flight_of_its_own(text: str, limit: int | str | None) -> None:
    given = {**HIAPI, "HIAPI_MAX_IN_FLIGHT": text}
    if limit == "bad":
        with pytest.raises(ConfigError, match="HIAPI_MAX_IN_FLIGHT"):
            Settings.from_mapping(given)
    else:
        (account,) = Settings.from_mapping(given).providers.accounts
        assert account.max_in_flight == limit

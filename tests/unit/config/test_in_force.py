"""The settings that an operator sees: each with its value, and of a secret never more than that it is set."""

from receiver.config.environment import list_settings
from receiver.config.in_force import settings_in_force
from receiver.config.settings import Settings

SECRETS = {
    "WHENFINAL_API_KEYS": "ops:read+operate:secret-of-an-api-key-1,looks:read:secret-of-an-api-key-2",
    "WHENFINAL_SECRET_KEYS": "secret-that-signs-urls-1,secret-that-signs-urls-2",
    "WHENFINAL_DATABASE_URL": "postgresql://secretuser:secretpassword@db.example:5432/films",
    "WHENFINAL_DATABASE_LISTEN_URL": "postgresql://secretuser:secretpassword@direct.example:5432/films",
    "HIAPI_API_KEY": "secret-key-of-hiapi",
    "HIAPI_WEBHOOK_SECRET": "secret-that-signs-callbacks",
}


def _shown(given: dict[str, str]) -> dict[str, str]:
    return {each.env: each.value for each in settings_in_force(Settings.from_mapping(given))}


def test_no_secret_is_shown_and_that_it_is_set_is() -> None:
    shown = _shown(SECRETS)
    assert "secret" not in "".join(shown.values()).lower()
    assert shown["WHENFINAL_SECRET_KEYS"] == "2 set, not shown"
    assert shown["WHENFINAL_API_KEYS"] == "ops (operate + read), looks (read)"
    assert shown["WHENFINAL_DATABASE_URL"] == "database films at db.example:5432"
    assert shown["WHENFINAL_DATABASE_LISTEN_URL"] == "database films at direct.example:5432"
    assert shown["HIAPI_API_KEY"] == shown["HIAPI_WEBHOOK_SECRET"] == "set, not shown"


def test_every_setting_is_there_and_only_what_was_given_is_not_at_its_default() -> None:
    found = settings_in_force(Settings.from_mapping({"WHENFINAL_KEEP_EVENTS_DAYS": "0.5", "WHENFINAL_LEASE_S": "60"}))
    assert [each.env for each in found] == [each.env for each in list_settings(Settings)]
    assert {each.env: (each.value, each.unit) for each in found if not each.is_default} == {
        "WHENFINAL_KEEP_EVENTS_DAYS": ("0.5", "days")
    }


def test_values_read_as_they_are_written() -> None:
    shown = _shown(
        {"WHENFINAL_ALLOW_PRIVATE": "10.0.0.0/8,fd00::/8", "WHENFINAL_PROVIDERS": "a=hiapi", "A_API_KEY": "k"}
    )
    assert shown["WHENFINAL_ALLOW_PRIVATE"] == "10.0.0.0/8, fd00::/8"
    assert shown["WHENFINAL_PROVIDERS"] == "a=hiapi"
    assert shown["WHENFINAL_WEBHOOK_BACKOFF_S"] == "5, 30, 120, 600, 3600, 14400, 43200"
    assert shown["WHENFINAL_PUBLIC_URL"] == ""
    assert shown["A_BASE_URL"] == "https://api.hiapi.ai"

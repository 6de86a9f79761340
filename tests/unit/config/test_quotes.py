"""Values that are still in their quotes."""

import pytest

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings

KEY = "sk-abcdef0123456789"

BASE = {"WHENFINAL_PUBLIC_URL": "https://hooks.example.com", "HIAPI_API_KEY": KEY}


@pytest.mark.parametrize("quotes", ['""', "''", "\u201c\u201d", "\u2018\u2019", "``", '" ', "' ", "\u00ab\u00bb"])
@pytest.mark.parametrize(
    "variable", ["HIAPI_API_KEY", "HIAPI_WEBHOOK_SECRET", "HIAPI_BASE_URL", "WHENFINAL_PUBLIC_URL"]
)
def test_a_value_in_its_quotes_is_named_and_never_shown(variable: str, quotes: str) -> None:
    value = "https://a.example" if variable.endswith("URL") else KEY
    with pytest.raises(ConfigError) as raised:
        Settings.from_mapping(BASE | {variable: (quotes[0] + value + quotes[1]).strip()})
    assert str(raised.value).startswith(f"{variable}: its value is in quotes")
    assert value not in str(raised.value)


def test_all_of_them_are_named_once_and_other_problems_beside_them() -> None:
    given = {f"{name}": f'"{value}"' for name, value in BASE.items()}
    with pytest.raises(ConfigError) as raised:
        Settings.from_mapping(given | {"WHENFINAL_LEASE_S": "'x'", "HIAPI_WEBHOOK_SECRET": '""'})
    lines = raised.value.problem.strip().splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [
        "HIAPI_API_KEY",
        "HIAPI_WEBHOOK_SECRET",
        "WHENFINAL_LEASE_S",
        "WHENFINAL_PUBLIC_URL",
        "WHENFINAL_LEASE_S",
    ]


def test_an_account_of_its_own_name_is_checked_too_also_when_the_names_are_quoted() -> None:
    given = {"WHENFINAL_PROVIDERS": '"mine=newapi"', "MINE_API_KEY": f"'{KEY}'", "MINE_BASE_URL": "https://a.example"}
    with pytest.raises(ConfigError, match=r"(?s)MINE_API_KEY: its value is in quotes.*WHENFINAL_PROVIDERS: its value"):
        Settings.from_mapping(given)


@pytest.mark.parametrize("key", [KEY + '"', 'sk-"abc"-0123456789', "sk-'0123456789'"])
def test_a_quote_within_or_at_the_end_belongs_to_the_value(key: str) -> None:
    assert Settings.from_mapping(BASE | {"HIAPI_API_KEY": key}).providers.accounts[0].api_key == key


def test_variables_of_other_programs_may_be_in_quotes() -> None:
    Settings.from_mapping(BASE | {"PS1": '"$ "', "OTHER_API_KEY": '"x"', "EMPTY": '""'})

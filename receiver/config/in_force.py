"""The settings of a process as an operator may see them: every value, but of a secret only that it is set. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from receiver.config.accounts import prefix_of
from receiver.config.api_keys import ApiKey
from receiver.config.environment import Setting, list_settings
from receiver.config.settings import Settings
from receiver.store.url import read_database_url
from submitter.providers.contract import Account

SET = "set, not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInForce:
    """A setting and its value as a text; the text is empty where it is unset."""

    env: str
    value: str
    unit: str = ""
    what: str = ""
    is_default: bool


def settings_in_force(settings: Settings) -> list[SettingInForce]:
    """Those of the service in the order of `.env.example`, then those of each account."""
    default = Settings()
    shown = [
        SettingInForce(
            env=each.env,
            value=_text_of(each, settings),
            unit=each.unit if _is_number(each, settings) else "",
            what=each.what,
            is_default=_value_of(each, settings) == _value_of(each, default),
        )
        for each in list_settings(Settings)
    ]
    for account in settings.providers.accounts:
        shown += _account(account)
    return shown


def _value_of(setting: Setting, settings: Settings) -> object:
    value: object = settings
    for name in setting.path:
        value = getattr(value, name)
    return value


def _is_number(setting: Setting, settings: Settings) -> bool:
    return isinstance(_value_of(setting, settings), int | float)


def _text_of(setting: Setting, settings: Settings) -> str:
    value = _value_of(setting, settings)
    if not value and value != 0:
        return ""
    if setting.is_secret:
        return _secret(setting, value)
    if isinstance(value, tuple):
        return ", ".join(map(_one, value))
    return _one(value)


def _secret(setting: Setting, value: object) -> str:
    """A database URL without its user and password; of keys their number; of anything else that it is set."""
    if setting.path[0] == "database":
        place = read_database_url(str(value))
        return SET if place is None else str(place)
    return f"{len(value)} set, not shown" if isinstance(value, tuple) else SET


def _one(value: object) -> str:
    match value:
        case ApiKey():
            return f"{value.name} ({' + '.join(sorted(value.scopes))})"
        case Account():
            return value.name if value.name == value.adapter else f"{value.name}={value.adapter}"
        case float():
            return f"{value:g}" if value < 1_000_000 else f"{value:.0f}"
        case _:
            return str(value)


def _account(account: Account) -> Iterator[SettingInForce]:
    """Without a note of defaults, because each platform has its own."""
    shown = {
        "API_KEY": SET,
        "BASE_URL": account.base_url,
        "MAX_IN_FLIGHT": "" if account.max_in_flight is None else str(account.max_in_flight),
        "STATE_WORDS": ", ".join(f"{word}={state}" for word, state in account.state_words.items()),
        "WEBHOOK_SECRET": SET if account.webhook_secret else "",
        **{name.upper(): value for name, value in account.options.items()},
    }
    for name, value in shown.items():
        if value:
            yield SettingInForce(env=prefix_of(account.name) + name, value=value, is_default=False)

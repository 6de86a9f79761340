"""The settings as people read them: `.env.example` and the table of the reference, rendered from the models' fields."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from receiver.config.accounts import PROVIDERS, AccountSettings, list_account_settings, list_options
from receiver.config.environment import Setting, list_settings
from receiver.config.settings import Settings
from receiver.config.types import Group
from submitter.providers.contract import Capabilities
from submitter.providers.registry import ADAPTERS

_OPENING = (
    "# Copy to .env for development; in production set the same names in the environment, which wins over .env.",
    "# Blank means unset. A line that is commented out shows the default.",
    "",
)

_TABLE_HEAD = ("| setting | default | unit | what | danger |", "| --- | --- | --- | --- | --- |")


def render_env_example() -> str:
    """`.env.example`: every setting with default, unit and danger. What has a default is commented out."""
    lines = [*_OPENING]
    for group in Group:
        lines += [f"# ---- {group}", "", *_lines(each for each in list_settings(Settings) if each.group == group)]
    for name, adapter in ADAPTERS.items():
        lines += _adapter_lines(name, adapter.CAPABILITIES)
    return "\n".join(lines).rstrip("\n") + "\n"


def render_settings_table() -> str:
    """A Markdown table of every setting."""
    settings = sorted(list_settings(Settings), key=lambda each: list(Group).index(Group(each.group)))
    settings += [
        replace(each, env=f"{{NAME}}_{each.env}", default=each.default or _platform_defaults(each.env))
        for each in list_settings(AccountSettings)
    ]
    for name, adapter in ADAPTERS.items():
        settings += list_options(name, adapter.CAPABILITIES)
    rows = ((f"`{each.env}`", each.default, each.unit, _text_of(each), each.danger) for each in settings)
    lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([*_TABLE_HEAD, *lines])


def _adapter_lines(name: str, can: Capabilities) -> Iterator[str]:
    yield f"# ---- {can.title}"
    if can.default_base_url is None:
        yield f"# Used once it is named in {PROVIDERS}; a second gateway is {{name}}={name} with its own prefix."
    yield ""
    yield from _lines([*list_account_settings(name, can), *list_options(name, can)])


def _platform_defaults(env: str) -> str:
    """The defaults that differ by platform, for the table. Those of a URL are too long for it."""
    if env != "MAX_IN_FLIGHT":
        return ""
    limits = {name: adapter.CAPABILITIES.max_in_flight for name, adapter in ADAPTERS.items()}
    return ", ".join([*(f"{name} {limit}" for name, limit in limits.items() if limit is not None), "others no limit"])


def _lines(settings: Iterable[Setting]) -> Iterator[str]:
    for each in settings:
        yield f"# {_text_of(each)}" + (f" Unit: {each.unit}." if each.unit else "")
        if each.danger:
            yield f"# Danger: {each.danger}"
        yield f"#{each.env}={each.default}" if each.default else f"{each.env}="
        yield ""


def _text_of(setting: Setting) -> str:
    return setting.what + (f" One of {', '.join(setting.choices)}." if setting.choices else "")

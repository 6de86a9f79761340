"""The settings as people read them: `.env.example` and the table of the reference, rendered from the models' fields."""

from collections.abc import Iterator, Mapping

from receiver.config.accounts import PROVIDERS, AccountSettings, CallbackAccountSettings, prefix_of
from receiver.config.environment import Setting, list_settings
from receiver.config.settings import Settings
from receiver.config.types import Group
from submitter.providers.contract import Capabilities, Provider
from submitter.providers.registry import ADAPTERS

_OPENING = (
    "# Copy to .env for development; in production set the same names in the environment, which wins over .env.",
    "# Blank means unset. A line that is commented out shows the default.",
    "",
)

_TABLE_HEAD = ("| setting | default | unit | what | danger |", "| --- | --- | --- | --- | --- |")


def render_env_example(adapters: Mapping[str, Provider] = ADAPTERS) -> str:
    """`.env.example`: every setting with default, unit and danger. What has a default is commented out."""
    ours = [line for group in Group for line in _group_lines(group)]
    theirs = [line for name, adapter in adapters.items() for line in _adapter_lines(name, adapter.CAPABILITIES)]
    return "\n".join([*_OPENING, *ours, *theirs]).rstrip("\n") + "\n"


def render_settings_table(adapters: Mapping[str, Provider] = ADAPTERS) -> str:
    """A Markdown table of every setting."""
    ours = sorted(list_settings(Settings), key=lambda each: list(Group).index(Group(each.group)))
    rows = [(f"`{each.env}`", each.default, each.unit, each.what, each.danger) for each in ours]
    rows += [
        (f"`{{NAME}}_{each.env}`", each.default, each.unit, each.what, each.danger)
        for each in list_settings(CallbackAccountSettings)
    ]
    for name, adapter in adapters.items():
        for option, choices in adapter.CAPABILITIES.options.items():
            rows.append((f"`{prefix_of(name)}{option.upper()}`", choices[0], "", _option_text(choices), ""))
    lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([*_TABLE_HEAD, *lines])


def _group_lines(group: Group) -> Iterator[str]:
    yield f"# ---- {group}"
    yield ""
    for each in list_settings(Settings):
        if each.group == group:
            yield from _setting_lines(each)


def _adapter_lines(name: str, can: Capabilities) -> Iterator[str]:
    yield f"# ---- {can.title}"
    if can.default_base_url is None:
        yield f"# Used once it is named in {PROVIDERS}; a second gateway is {{name}}={name} with its own prefix."
    yield ""
    prefix = prefix_of(name)
    for each in list_settings(CallbackAccountSettings if can.callback else AccountSettings):
        default = can.default_base_url or "" if each.env == "BASE_URL" else each.default
        yield from _lines(prefix + each.env, default, each.unit, each.what, each.danger)
    for option, choices in can.options.items():
        yield from _lines(prefix + option.upper(), choices[0], "", _option_text(choices), "")


def _setting_lines(setting: Setting) -> Iterator[str]:
    choices = f" One of {', '.join(setting.choices)}." if setting.choices else ""
    return _lines(setting.env, setting.default, setting.unit, setting.what + choices, setting.danger)


def _lines(name: str, default: str, unit: str, what: str, danger: str) -> Iterator[str]:
    yield f"# {what}" + (f" Unit: {unit}." if unit else "")
    if danger:
        yield f"# Danger: {danger}"
    yield f"#{name}={default}" if default else f"{name}="
    yield ""


def _option_text(choices: tuple[str, ...]) -> str:
    return f"A switch of this adapter. One of {', '.join(choices)}."

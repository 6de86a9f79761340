"""Everything that can be set, as one frozen value.

Pure: the environment comes in as a mapping. A text that breaks a rule and settings that contradict each other stop the
start, all named at once; nothing is guessed, rounded or ignored. No secret reaches a message or a repr.
"""

from collections.abc import Iterator, Mapping

from receiver.config.accounts import PROVIDERS, prefix_of
from receiver.config.fields import CALLBACK_KNOBS, KNOBS, PROVIDER_KNOBS, SIGNATURE_WINDOW_S, ProviderKnob
from submitter.providers.contract import Capabilities, Provider
from submitter.providers.registry import ADAPTERS

# The same tables for people.


def render_env_example(adapters: Mapping[str, Provider] = ADAPTERS) -> str:
    """`.env.example`: every setting with default, unit and danger. What has a default is commented out."""
    groups = dict.fromkeys(knob.group for knob in KNOBS)
    ours = [line for group in groups for line in _group_lines(group)]
    theirs = [line for name, adapter in adapters.items() for line in _adapter_lines(name, adapter.CAPABILITIES)]
    return "\n".join([*_OPENING, *ours, *theirs]).rstrip("\n") + "\n"


def render_readme_table(adapters: Mapping[str, Provider] = ADAPTERS) -> str:
    """A Markdown table of every setting, as the README holds it between its markers."""
    rows = [(f"`{knob.name}`", knob.default, knob.unit, knob.what, knob.danger) for knob in KNOBS]
    rows += [(f"`{{NAME}}_{knob.suffix}`", "", knob.unit, knob.what, knob.danger) for knob in PROVIDER_KNOBS]
    rows += [
        (f"`{{NAME}}_{knob.suffix}`", _callback_default(knob), knob.unit, knob.what, knob.danger)
        for knob in CALLBACK_KNOBS
    ]
    for name, adapter in adapters.items():
        for option, choices in adapter.CAPABILITIES.options.items():
            rows.append((f"`{prefix_of(name)}{option.upper()}`", choices[0], "", _option_text(choices), ""))
    head = ["| setting | default | unit | what | danger |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


_OPENING = (
    "# Copy to .env for development; in production set the same names in the environment, which wins over .env.",
    "# Blank means unset. A line that is commented out shows the default.",
    "",
)


def _group_lines(group: str) -> Iterator[str]:
    yield f"# ---- {group}"
    yield ""
    for knob in KNOBS:
        if knob.group == group:
            choices = f" One of {', '.join(knob.choices)}." if knob.choices else ""
            yield from _lines(knob.name, knob.default, knob.unit, knob.what + choices, knob.danger)


def _adapter_lines(name: str, can: Capabilities) -> Iterator[str]:
    yield f"# ---- {can.title}"
    if can.default_base_url is None:
        yield f"# Used once it is named in {PROVIDERS}; a second gateway is {{name}}={name} with its own prefix."
    yield ""
    prefix = prefix_of(name)
    for knob in PROVIDER_KNOBS:
        default = can.default_base_url or "" if knob.suffix == "BASE_URL" else ""
        yield from _lines(prefix + knob.suffix, default, knob.unit, knob.what, knob.danger)
    for knob in CALLBACK_KNOBS if can.callback else ():
        yield from _lines(prefix + knob.suffix, _callback_default(knob), knob.unit, knob.what, knob.danger)
    for option, choices in can.options.items():
        yield from _lines(prefix + option.upper(), choices[0], "", _option_text(choices), "")


def _lines(name: str, default: str, unit: str, what: str, danger: str) -> Iterator[str]:
    yield f"# {what}" + (f" Unit: {unit}." if unit else "")
    if danger:
        yield f"# Danger: {danger}"
    yield f"#{name}={default}" if default else f"{name}="
    yield ""


def _callback_default(knob: ProviderKnob) -> str:
    return str(SIGNATURE_WINDOW_S) if knob.suffix == "SIGNATURE_WINDOW_S" else ""


def _option_text(choices: tuple[str, ...]) -> str:
    return f"A switch of this adapter. One of {', '.join(choices)}."

"""What can be wrong with a setting. Pure."""

from typing import NamedTuple


class SettingProblem(NamedTuple):
    """One thing wrong with the settings. Never holds a value."""

    variable: str
    rule: str
    hint: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.rule}; {self.hint}"

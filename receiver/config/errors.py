"""The error of the settings. `submitter.errors` draws the whole tree."""

from submitter.base_error import WhenfinalError


class ConfigError(WhenfinalError):
    """Settings are missing, malformed or contradictory. `hint` says what to set, in one line."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint

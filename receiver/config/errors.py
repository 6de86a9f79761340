"""The error of settings; `submitter.errors` draws the whole tree of exceptions."""

from submitter.errors import WhenfinalError


class ConfigError(WhenfinalError):
    """Settings that are missing, malformed or contradict each other. `hint` says in one line what to set."""

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint

"""How a plain HTTP caller talks to one simulated platform."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PICTURE = "https://example.com/a.png"


@dataclass(frozen=True, kw_only=True)
class PlatformApi:
    """Paths, bodies and words of one platform."""

    submit_path: str
    status_path: str
    body: Callable[[str], dict[str, Any]]
    task_id: Callable[[Any], str]
    state: Callable[[Any], str]
    waiting: str
    running: str
    good: str
    bad: str
    #: The status of the answer to a query for an id that the platform does not know.
    unknown_id_status: int
    #: The status of the answer to a submit of an account without money.
    no_balance_status: int
    #: What the answer to such a query holds, where its status is 200.
    unknown_id_text: str = "UNKNOWN"
    #: The header of the key, and what stands before the key in it.
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    headers: dict[str, str] = field(default_factory=dict)
    #: The status of a receipt, and of the answer about a task that has not ended.
    created_status: int = 200
    open_status: int = 200
    #: Where the result is, where the answer to a status query does not hold it.
    result_path: str = ""
    #: Where a submit for an unknown model goes, where the path names the model.
    unknown_model_path: str = ""
    #: False: a submit is accepted whatever its input is, and the task fails.
    checks_input: bool = True
    #: What the fault `result_elsewhere` shows.
    elsewhere: str = '"video_url"'
    #: False: answers tell a state by other means than a word.
    has_words: bool = True
    #: What the fault `result_blank` shows.
    blank: str = "my video\\n"

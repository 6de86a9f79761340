"""Replies to polls in the form of each adapter, out of plain values.

The folder of an adapter holds its form, `form.py`, with a `FORM`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from submitter.http.messages import HttpReply
from submitter.model import Observation, ProviderTaskId, StatusOutcome
from submitter.providers.registry import ADAPTERS
from tests.unit.providers import recorded

TASK_ID = "t-1"
LINK = "https://cdn.example/v.mp4"
GATEWAYS = ("newapi", "modelstream", "tokenbay")

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the replies of an adapter's provider look."""

    #: A documented word of each kind.
    running: str
    failed: str
    succeeded: str
    #: The document about a task: its id, the word, more members in the task, more beside it.
    document: Callable[[Any, str, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    #: False: a state is told by other means than a word, so nothing can be said of unknown or taught words.
    has_words: bool = True
    #: Where the link of a success is, as members of the task.
    result: Mapping[str, Any] = field(default_factory=dict)
    #: A row of a list, made of an id, and the whole list: its rows, or ABSENT, and page, size, total and pages of it.
    list_row: Callable[[str], dict[str, Any]] | None = None
    list_document: Callable[[object, Mapping[str, Any]], dict[str, Any]] | None = None
    #: Whether a list tells how many tasks there are in all.
    list_has_total: bool = True
    #: The receipts that the documents show, made of an id; the first five have theirs in `test_odd_receipts`.
    receipts: tuple[Callable[[object], dict[str, Any]], ...] = ()
    #: Where a receipt has the id, where a member of that name may mean something else at other providers.
    receipt_id: tuple[str, ...] = ()


FORMS: Mapping[str, Form] = {
    adapter: import_module(f"tests.unit.providers.{recorded.folder_name(adapter)}.form").FORM for adapter in ADAPTERS
}
RUNNING = {adapter: form.running for adapter, form in FORMS.items()}
FAILED = {adapter: form.failed for adapter, form in FORMS.items()}
SUCCEEDED = {adapter: form.succeeded for adapter, form in FORMS.items()}
RESULTS = {adapter: form.result for adapter, form in FORMS.items()}


def document(
    adapter: str,
    word: str,
    inner: Mapping[str, Any] = NOTHING,
    top: Mapping[str, Any] = NOTHING,
    *,
    named: Any = TASK_ID,
) -> dict[str, Any]:
    """A reply that names the task and a state, with more members in the task and beside it."""
    return FORMS[adapter].document(named, word, inner, top)


def read(adapter: str, body: object, *, task_id: str = TASK_ID, status: int = 200, **account: Any) -> StatusOutcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = HttpReply(status=status, body=raw)
    return ADAPTERS[adapter].parse_status(ProviderTaskId(task_id), reply, recorded.account(adapter, **account))


def seen(adapter: str, body: object, **more: Any) -> Observation:
    """What the reply says of the task; it must say something."""
    outcome = read(adapter, body, **more)
    assert isinstance(outcome, Observation), outcome
    return outcome

"""Request bodies of acts on all that a filter finds, of a batch of submits, and query parameters of runs."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic import model_validator as checks_whole

from receiver.runtime.example import PROVIDER
from receiver.web.schemas.searches import (
    FLAG,
    IDS_MOST,
    DeliveryConditions,
    DeliveryId,
    OurTaskId,
    TaskConditions,
    contradiction,
)
from receiver.web.schemas.tasks import (
    DIGITS,
    EMPTY_IS_NONE,
    LONGEST_AGE_S,
    NEXT_CURSOR,
    Name,
    PageLimit,
    Query,
    RequestBody,
    SubmitRequest,
)
from submitter.request import at_most

BATCH_MOST = 100

RunId = Annotated[str, StringConstraints(pattern=r"^run_[0-9a-z]{1,40}$")]

FINAL_MOST = 500  # tasks of one act that cannot be taken back: its preview and its run name each of them

_IDS = (Field(strict=False, max_length=IDS_MOST), at_most(IDS_MOST))

_TASK_IDS = (Field(strict=False, max_length=FINAL_MOST), at_most(FINAL_MOST))


def _check_reach(values: Iterable[object], *, is_all: bool, dry_run: bool) -> None:
    """An act on everything has to be asked for."""
    has_condition = any(values)
    if is_all and has_condition:
        raise contradiction("all", "does not go with a condition", "a condition, or `all`: true")
    if not (is_all or has_condition or dry_run):
        raise contradiction("all", "is missing, and so is every condition", "a condition, `ids`, or `all`: true")


class TaskActRequest(TaskConditions, RequestBody):
    """The filters of `listTasks`, and `ids` of ours; all conditions must hold.

    Without any condition `all` must be true. `dry_run` counts and changes nothing; the start that follows it takes its
    `until` and `ids`.
    """

    older_than_s: int | None = Field(default=None, ge=0, le=LONGEST_AGE_S)
    overdue: bool = False
    contradicted: bool = False
    ids: Annotated[tuple[OurTaskId, ...], *_TASK_IDS] = ()
    all: bool = False
    dry_run: bool = False

    @checks_whole(mode="after")
    def _reaches_something(self) -> Self:
        _check_reach(self._conditions(), is_all=self.all, dry_run=self.dry_run)
        return self

    def _conditions(self) -> list[object]:
        return [getattr(self, name) for name in (*TaskConditions.model_fields, "ids")]


class SettleTasksRequest(TaskActRequest):
    """Exactly one of `refused` and `look`, beside the filters of `listTasks`, `ids` and `all`.

    `refused`: the submits created nothing. `look`: the id of a run that looked at the providers' lists; each task with
    exactly one candidate gets it.
    """

    refused: Literal[True] | None = None
    look: RunId | None = None

    def _conditions(self) -> list[object]:
        return [*super()._conditions(), self.look]

    @checks_whole(mode="after")
    def _has_one_way(self) -> Self:
        if (self.refused is None) is (self.look is None):
            raise contradiction("refused", "give exactly one of `refused` and `look`", "one")
        return self


class RedeliverRequest(DeliveryConditions, RequestBody):
    """The filters of `listDeliveries`, and `ids`; all conditions must hold. Without a `state` only dead letters.

    Without any condition `all` must be true. `dry_run` counts and changes nothing; the start that follows it takes its
    `until`.
    """

    failing: bool = False
    ids: Annotated[tuple[DeliveryId, ...], *_IDS] = ()
    all: bool = False
    dry_run: bool = False

    @checks_whole(mode="after")
    def _reaches_something(self) -> Self:
        values = (getattr(self, name) for name in (*DeliveryConditions.model_fields, "ids"))
        _check_reach(values, is_all=self.all, dry_run=self.dry_run)
        return self


class RunsQuery(Query):
    limit: PageLimit = 50
    cursor: RunId | None = Field(default=None, description=NEXT_CURSOR, examples=["run_01m7yrqm47904bn5a9g1vxy29m"])


class RunQuery(Query):
    """`wait` without a number is given and None."""

    wait: Annotated[Annotated[int, Field(ge=0), DIGITS] | None, EMPTY_IS_NONE] = Field(
        default=None, description="seconds to wait for the end of the run; without a number 45", examples=[30]
    )


class ModelsQuery(Query):
    provider: Name | None = Field(default=None, description="only models of this provider", examples=[PROVIDER])


class ChecksQuery(Query):
    network: Annotated[bool, FLAG] = Field(
        default=False, description="true: also send a request to each provider and to our public URL", examples=[True]
    )


# Batches.


class BatchTask(SubmitRequest):
    """As `POST /v1/tasks` takes it, with its own `idempotency_key`."""

    idempotency_key: str | None = None


class BrokenTask:
    """Stands in a batch for a task that breaks rules."""

    def __init__(self, error: ValidationError) -> None:
        self.error = error


def _alone(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """A task that breaks a rule does not hold up the others."""
    try:
        return check(value)
    except ValidationError as error:
        return BrokenTask(error)


class BatchRequest(RequestBody):
    """Each task is checked and submitted on its own. With `dry_run` none is submitted."""

    tasks: Annotated[
        tuple[Annotated[BatchTask, WrapValidator(_alone)], ...],
        Field(strict=False, min_length=1, max_length=BATCH_MOST),
        at_most(BATCH_MOST),
    ]
    dry_run: bool = False

    @property
    def checked(self) -> tuple[BatchTask | BrokenTask, ...]:
        found: tuple[Any, ...] = self.tasks
        return found

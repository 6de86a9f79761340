"""The bodies of the HTTP API about the service as a whole, as models. Pure. See `submitter.api`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AliasChoices, Field

from submitter.api import ApiModel, Time

VideoKind = Literal["text-to-video", "image-to-video", "reference-to-video"]


class Range(ApiModel):
    """The least and the most, both allowed."""

    least: int
    most: int


class ModelLimits(ApiModel):
    """A model that `video` takes at a configured provider, and its limits.

    An empty list or null: the model does not have the member of `video`. Exceptions: `prompt_weight`, in which a
    Chinese character weighs 2 and any other 1, and `prompt_characters` are the longest prompt, null meaning that none
    is documented so; an empty `only_durations` means that all of `durations` are offered. Both are in seconds.
    `reference_images` counts pictures, `negative_prompt` characters. A `first_frame` is required where it is true,
    unless `first_frame_optional`; `ratio_for_text` means that a ratio excludes a first frame, `ratio_without_frame`
    that it must be given where there is none, `text_ratios` are those of a prompt alone where they differ, and
    `resolution_for_frame` means that a resolution needs a first frame. `required` names further members that must be
    given.
    """

    provider: str
    model: str
    kinds: tuple[VideoKind, ...]
    ratios: tuple[str, ...]
    resolutions: tuple[str, ...]
    durations: Range | None
    only_durations: tuple[int, ...]
    prompt_required: bool
    prompt_weight: int | None
    prompt_characters: int | None
    negative_prompt: int | None
    reference_images: Range | None
    first_frame: bool
    first_frame_optional: bool
    last_frame: bool
    frames_exclude_references: bool
    ratio_for_text: bool
    ratio_without_frame: bool
    text_ratios: tuple[str, ...]
    resolution_for_frame: bool
    audio: bool
    required: tuple[str, ...]
    image_schemes: tuple[str, ...]
    seed: Range | None
    watermark: bool
    reference_types: tuple[str, ...]


class ModelsAnswer(ApiModel):
    """By provider in the order of the settings. Other models of a provider can be sent as `raw`."""

    models: tuple[ModelLimits, ...]


class Counted(ApiModel):
    """How many there are, and since when the oldest; null where there is none or it is not known."""

    number: int
    since_at: Time | None


class ProviderCounts(ApiModel):
    """What is open at one provider; `other` is every one that is not configured.

    `tasks` counts those that have not ended, by state. `contradicted` tasks were told of in the last 24 hours.
    `unknown_words`: the provider last said a state that its documents do not name.
    """

    provider: str
    tasks: Mapping[str, int]
    queued: Counted
    uncertain: Counted
    overdue: Counted
    contradicted: Counted
    due_polls: Counted
    unknown_words: Counted


class DeliveryCounts(ApiModel):
    """`pending` is since when the one waits longest that may be sent now."""

    pending: Counted
    dead: Counted


class Counts(ApiModel):
    """What is open in the ledger, read at `at`.

    Nothing is counted beyond `most`: a number of `most` means that many or more. `queued`, `uncertain`, `overdue` and
    `contradicted` are those of all providers together.
    """

    at: Time
    most: int
    queued: Counted
    uncertain: Counted
    overdue: Counted
    contradicted: Counted
    providers: tuple[ProviderCounts, ...]
    deliveries: DeliveryCounts
    subscriptions: Mapping[str, int]


class Check(ApiModel):
    """What was checked and found. `cure` says how it is fixed; empty only where `level` is ok.

    `count` is how many there are, and `since_at` since when the oldest; null where there is nothing to count.
    """

    name: str
    level: Literal["ok", "warn", "fail"]
    what: str
    cure: str
    count: int | None = None
    since_at: Time | None = None


class ChecksAnswer(ApiModel):
    """`ok`: no check failed. Warnings are no failures."""

    ok: bool
    checks: tuple[Check, ...]


class CallbackVerdict(ApiModel):
    """What became of a callback that changed nothing, or of any where its provider needs an answer of 200."""

    verdict: Literal["applied", "duplicate", "stale", "contradiction"]


class AuditLine(ApiModel):
    """Who did what, and when. `task` is our id, null where the action was about none."""

    id: str
    at: Time
    actor: str
    action: str
    task: str | None = Field(validation_alias=AliasChoices("task_id", "task"))
    detail: Mapping[str, Any]


class AuditPage(ApiModel):
    """The newest first. `next_cursor` null: this is the last page."""

    lines: tuple[AuditLine, ...]
    next_cursor: str | None

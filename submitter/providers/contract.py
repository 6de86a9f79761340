"""What an adapter must offer: a module of pure functions from values to values, and one literal table of limits.

An adapter never opens a socket, never reads a clock, never raises for what a provider answers: every byte string that
a provider can send becomes one of the outcome values of `submitter.model`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from submitter.http.messages import Callback, HttpCall, HttpReply
from submitter.model import CancelOutcome, ListedTask, Observation, Output, ProviderTaskId, StatusOutcome, SubmitOutcome
from submitter.request import MarkerStyle, RawRequest, VideoRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One configured platform account.

    `name` is the provider's name in our words (`hiapi-b`), `adapter` the dialect. `base_url` has no slash at its end.
    `options` are the adapter's own switches, named in its CAPABILITIES.
    """

    name: str
    adapter: str
    base_url: str
    api_key: str = field(repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    signature_window_s: int = 300
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """Models that take the same fields. An empty tuple or None means that the field does not exist there.

    `ratios` empty: the ratio follows the picture or is not offered. `resolutions` are in the provider's own case.
    `duration_s`, `seed`, `reference_images`: inclusive ranges. `prompt_weight`: a Chinese character weighs 2, others 1.
    """

    models: tuple[str, ...]
    prompt_required: bool = True
    prompt_weight: int | None = 5000
    ratios: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    duration_s: tuple[int, int] = (3, 15)
    seed: tuple[int, int] | None = None
    reference_images: tuple[int, int] | None = None
    first_frame: bool = False
    image_schemes: tuple[str, ...] = ("https", "http")
    watermark: bool = False
    reference_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAdvice:
    """When asking makes sense, in provider seconds.

    `first_s` after the receipt, then every `every_s`, never under `floor_s`. `visible_after_s`: how long "not found"
    may still mean "not visible yet". `late_s`: where a callback is expected, asking starts that long after the receipt.
    """

    first_s: float
    every_s: float
    floor_s: float
    visible_after_s: float = 60.0
    late_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Requests that we allow ourselves: `per_s` on average, `burst` at once. `submits_count`: submits use it too."""

    per_s: float
    burst: int
    submits_count: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPaths:
    """Where a raw body may go, below the base URL. `default` None: the caller must name the path.

    `pattern` is a regular expression for the whole path, `accepted` the same in words.
    """

    default: str | None = None
    pattern: str = r"/.+"
    accepted: str = "any path below the base URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """A provider's limits and manners, each with its source in the adapter's docstring.

    `idempotency_s`: how long the provider remembers our Idempotency-Key; None where it has none.
    `retention_s`: how long it remembers a task; after that "not found" lets us infer `expired`.
    `options`: the adapter's switches with their allowed values, the default first.
    """

    title: str
    default_base_url: str | None
    families: tuple[ModelFamily, ...]
    marker: MarkerStyle
    callback: bool
    idempotency_s: float | None
    retention_s: float
    poll: PollAdvice
    budget: Budget
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: RawPaths = RawPaths()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitContext:
    """What a submit carries beside the request. `callback_url` is None where no callback can reach us."""

    callback_url: str | None
    idempotency_key: str


class Provider(Protocol):
    """The functions of an adapter module, called by position, so that an adapter may name what it leaves unread."""

    @property
    def CAPABILITIES(self) -> Capabilities: ...  # noqa: N802 - a module constant

    def build_submit(self, request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
        """Equal arguments give byte-identical calls. The request has passed `submitter.limits`."""

    def parse_receipt(self, reply: HttpReply, /) -> SubmitOutcome: ...

    def build_status(self, provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall: ...

    def parse_status(self, provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
        """A reply that speaks of another id is Unavailable."""

    def parse_callback(self, callback: Callback, account: Account, now_ms: int, /) -> Observation:
        """Raise BadSignature, StaleCallback or UnreadableCallback; with a secret set the signature must be right.

        `signature_verified` of the observation says whether there was a signature and it was right.
        """


class ListsTasks(Protocol):
    """Optional: the provider can list its tasks."""

    def build_list(self, account: Account, /, *, since_ms: int, until_ms: int) -> HttpCall:
        """The newest page; a provider without a time filter sends none."""

    def parse_list(self, reply: HttpReply, /) -> tuple[ListedTask, ...] | StatusOutcome: ...


class CancelsTasks(Protocol):
    """Optional: the provider can cancel a waiting task."""

    def build_cancel(self, provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall: ...

    def parse_cancel(self, reply: HttpReply, /) -> CancelOutcome: ...


class ServesFiles(Protocol):
    """Optional: outputs may lie behind the provider's own host, which asks for the key."""

    def build_download(self, output: Output, account: Account, /) -> HttpCall:
        """The key goes to the origin of the base URL and to no other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfiguredProvider:
    """A provider as it is used: the dialect and our account."""

    adapter: Provider
    account: Account

"""The contract of an adapter: a module of pure functions, and one table of the provider's limits, CAPABILITIES.

An adapter opens no socket, reads no clock and does not raise for what a provider answers: every byte string that a
provider can send becomes one of the outcomes in `submitter.model`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from submitter.http.messages import Callback, HttpCall, HttpReply
from submitter.model import (
    CancelOutcome,
    ListedTask,
    ListPage,
    Observation,
    Output,
    ProviderTaskId,
    StatusOutcome,
    SubmitOutcome,
    TaskId,
    TaskState,
)

if TYPE_CHECKING:  # because pydantic takes longer to import than most commands of an operator run
    from submitter.request import MarkerStyle, RawRequest, VideoRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One configured account at a platform."""

    #: The configured name of the provider, such as `hiapi-b`.
    name: str
    #: The name of the adapter in the registry.
    adapter: str
    #: Without a slash at its end.
    base_url: str
    api_key: str = field(repr=False)
    #: Verifies the provider's signature on callbacks; with a secret, unsigned callbacks are refused.
    webhook_secret: str | None = field(default=None, repr=False)
    #: The second half of a pair of which `api_key` is the first; requests are then signed with it.
    secret_key: str | None = field(default=None, repr=False)
    #: Where the public keys are that verify callbacks; None where the provider has none.
    keys_url: str | None = None
    #: How far a callback's timestamp may differ from our clock; 0: any distance.
    signature_window_s: int = 300
    #: The adapter's options; CAPABILITIES lists their names and values.
    options: Mapping[str, str] = field(default_factory=dict)
    #: Tasks in flight at most; None: as in CAPABILITIES.
    max_in_flight: int | None = None
    #: Words for states, in lower case, that the operator has taught this account. They go before the adapter's.
    state_words: Mapping[str, TaskState] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may stand in no log, message or stored text."""
        return tuple([each for each in (self.api_key, self.secret_key, self.webhook_secret) if each])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """Models that accept the same fields. An empty tuple or None means that they do not have the field."""

    models: tuple[str, ...]
    prompt_required: bool = True
    #: The longest prompt; a Chinese character counts 2, any other 1. None: no documented limit.
    prompt_weight: int | None = 5000
    #: The longest prompt in plain characters, where the provider counts so; None: not counted so.
    prompt_characters: int | None = None
    #: How prompts of this family refer to the reference images; None: as at the provider's other families.
    marker: "MarkerStyle | None" = None
    #: Empty: the ratio follows the picture or is not offered.
    ratios: tuple[str, ...] = ()
    #: The ratios of a prompt alone, where it has fewer; empty: the same ones.
    text_ratios: tuple[str, ...] = ()
    #: In the provider's own case.
    resolutions: tuple[str, ...] = ()
    #: Lowest and highest, as for the seed and the number of reference images.
    duration_s: tuple[int, int] | None = (3, 15)
    #: The only lengths that are offered, where not all between the lowest and the highest are.
    durations: tuple[int, ...] = ()
    seed: tuple[int, int] | None = None
    #: How many.
    reference_images: tuple[int, int] | None = None
    first_frame: bool = False
    #: Whether a family with a first frame takes a prompt alone as well.
    first_frame_optional: bool = False
    #: A picture of the end, beside a first frame.
    last_frame: bool = False
    #: Whether frames and reference images exclude each other.
    frames_exclude_references: bool = False
    #: Whether a ratio is for a prompt alone, because it follows the first frame.
    ratio_for_text: bool = False
    #: Whether a resolution is for a first frame, because the ratio of a prompt alone has the size in pixels.
    resolution_for_frame: bool = False
    #: Whether a ratio must be given where there is no first frame.
    ratio_without_frame: bool = False
    #: Characters; None: no such field.
    negative_prompt: int | None = None
    #: Whether a caller can say if the video has sound.
    audio: bool = False
    #: Fields of a VideoRequest that must be given beside those above.
    required: tuple[str, ...] = ()
    image_schemes: tuple[str, ...] = ("https", "http")
    watermark: bool = False
    reference_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAdvice:
    """When to poll a task of this provider, in provider seconds."""

    #: Between two polls of a task that is overdue, or that the provider does not answer for.
    every_s: float
    #: The shortest wait, jitter included.
    floor_s: float
    #: How long "not found" can still mean "not visible yet".
    visible_after_s: float = 60.0
    #: Whether the provider tells when a task ended, and means the end itself.
    has_finish_times: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A rate budget: the requests that we allow ourselves at one account."""

    #: On average.
    per_s: float
    #: At once.
    burst: int
    #: Whether submits use the budget too.
    submits_count: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPaths:
    """The paths below the base URL to which a raw body may be sent."""

    #: None: the caller must give the path.
    default: str | None = None
    #: A regular expression for the whole path.
    pattern: str = r"/.+"
    #: `pattern` in words, for error messages.
    accepted: str = "any path below the base URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider accepts and how it behaves. The sources are in the adapter's docstring."""

    #: The name to show.
    title: str
    #: None: the account must set its base URL.
    default_base_url: str | None
    families: tuple[ModelFamily, ...]
    #: How prompts refer to the reference images.
    marker: "MarkerStyle"
    #: Whether a submit can name a callback URL.
    callback: bool
    #: The members of a body that name a callback URL, dotted where they are nested; a raw body must leave them to us.
    callback_members: tuple[str, ...] = ()
    #: The members of a body that hold our own id of the task; a raw body must leave them to us.
    own_id_members: tuple[str, ...] = ()
    #: Whether the provider documents 200 as the answer that it needs, and not any 2xx.
    callback_needs_200: bool = False
    #: Whether callbacks come to one address of the account, which its owner sets up at the provider.
    account_callback: bool = False
    #: What the owner does there, one step each, with that address.
    account_callback_steps: tuple[str, ...] = ()
    #: Whether the provider signs callbacks with a secret that it shares with the account.
    callback_secret: bool = False
    #: Where the provider publishes the public keys of its callbacks; None: it signs with no such keys.
    keys_url: str | None = None
    #: Whether an account may have a pair of keys, the second of which signs each request.
    has_key_pair: bool = False
    #: How long the provider remembers our Idempotency-Key; None: it has no such key.
    idempotency_s: float | None
    #: How long the provider remembers a task. After that, "not found" means that the task has expired.
    retention_s: float
    poll: PollAdvice
    budget: Budget
    #: Tasks in flight at most, of an account at the provider's first level; None: no limit is documented.
    max_in_flight: int | None = None
    #: The adapter's options with their allowed values, the default first.
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: RawPaths = RawPaths()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitContext:
    """What a submit carries beside the request."""

    #: None: no callback can reach us.
    callback_url: str | None
    #: The same at every POST of one submit.
    idempotency_key: str


class Provider(Protocol):
    """The functions of an adapter module. Their arguments are positional, so an adapter may rename unused ones."""

    @property
    def CAPABILITIES(self) -> Capabilities: ...

    def build_submit(
        self, request: "VideoRequest | RawRequest", account: Account, context: SubmitContext, /
    ) -> HttpCall:
        """Return the POST of a submit; equal arguments give equal bytes. The request has passed `validation`."""

    def parse_receipt(self, reply: HttpReply, /) -> SubmitOutcome:
        """Refused only where the documents say that nothing was created; Uncertain where the reply is not clear."""

    def build_status(self, provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
        """Return the query for one task's state."""

    def parse_status(self, provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
        """A reply about another task is Unavailable."""

    def parse_callback(self, callback: Callback, account: Account, now_ms: int, /) -> Observation:
        """Return the observation; its `signature_verified` is true only after a check of the provider's signature.

        Raise BadSignature, StaleCallback or UnreadableCallback. With a webhook secret the signature must be right.
        """


class ListsTasks(Protocol):
    """Optional: the provider can list its tasks."""

    @property
    def LIST_REACH_S(self) -> float | None:
        """How far back the list reaches, and how long the span of one query may be; None: no documented limit."""

    @property
    def LIST_PAGE(self) -> int:
        """How many tasks a page holds at most."""

    @property
    def LISTS_SPANS(self) -> bool:
        """Whether the provider lists the tasks of a span of time; else always the newest."""

    def build_list(self, account: Account, /, *, since_ms: int, until_ms: int, page: int) -> HttpCall:
        """Return the query for a page, from 1. Without a time filter at the provider, the times are ignored."""

    def parse_list(self, reply: HttpReply, /) -> ListPage | StatusOutcome:
        """A reply without its list is Unavailable, never an empty page."""

    def listed_state(self, row: ListedTask, account: Account, /) -> tuple[TaskState, bool]:
        """Return the state of a row, and whether its word is documented or taught to the account."""


class FindsByOwnId(Protocol):
    """Optional: a submit carries our id of the task, and the provider can be asked which task has it."""

    def build_lookup(
        self, task_id: TaskId, request: "VideoRequest | RawRequest", account: Account, /, *, page: int
    ) -> HttpCall:
        """Return the query for the task that this request was to create; of a list, its page, from 1."""

    def parse_lookup(self, reply: HttpReply, /) -> ListPage | StatusOutcome:
        """Return rows with their `own_id`. A reply without its list is Unavailable, never an empty page."""


class CancelsTasks(Protocol):
    """Optional: the provider can cancel a waiting task."""

    def build_cancel(self, provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall: ...

    def parse_cancel(self, reply: HttpReply, /) -> CancelOutcome: ...


class CancelsAfterLook(Protocol):
    """Optional: a cancellation destroys a task that has gone on, so its state is queried before."""

    @property
    def CANCELS_WHILE(self) -> frozenset[TaskState]:
        """The states in which a cancellation may be sent."""


class AddressesTasks(Protocol):
    """Optional: the paths of calls about a task name its model, which the provider's id does not tell.

    The functions that build such calls take an id with or without its address; outcomes name it without.
    """

    def address(self, provider_task_id: ProviderTaskId, request: Mapping[str, Any], /) -> ProviderTaskId:
        """Return the id with its address. `request` has the task's `video` or `raw`; empty: it is not known."""


class FetchesResults(Protocol):
    """Optional: the status of a task that has ended does not hold its result, which a second call brings."""

    def build_result(self, provider_task_id: ProviderTaskId, status: HttpReply, account: Account, /) -> HttpCall | None:
        """Return the second call; None where the reply to the status query needs none."""

    def parse_result(
        self, provider_task_id: ProviderTaskId, status: HttpReply, result: HttpReply, account: Account, /
    ) -> StatusOutcome:
        """Return what both replies say. An end without a usable second reply is Unavailable, so it is polled again."""


class AnswersChallenges(Protocol):
    """Optional: the provider tests a callback URL with a message that reports no task and wants a certain answer."""

    def challenge_answer(self, callback: Callback, /) -> Mapping[str, str] | None:
        """Return the members of the JSON object to answer with; None for every other message."""


class VerifiesByKeys(Protocol):
    """Optional: callbacks are signed with a private key of the provider, whose public keys have to be fetched.

    `parse_callback` of such an adapter checks no signature.
    """

    @property
    def KEYS_LIVE_S(self) -> float:
        """How long fetched keys may be used."""

    def keys_url(self, callback: Callback, account: Account, /) -> str | None:
        """Return where the keys of this callback are; None for an unsigned one, where those are documented.

        Raise BadSignature for a missing signature and for an address that the documents exclude.
        """

    def verify_callback(self, callback: Callback, account: Account, now_ms: int, keys: bytes, /) -> None:
        """Check the signature with a fetched document. Raise BadSignature, StaleCallback or UnreadableKeys."""


class SignsRequests(Protocol):
    """Optional: each request carries a token that is made for it and lives for minutes."""

    def sign_request(self, call: HttpCall, account: Account, now_ms: int, /) -> HttpCall:
        """Return the call as it is to be sent at `now_ms`; unchanged for an account that needs no such token."""


class HasTwoPaths(Protocol):
    """Optional: the documents name two paths for the same submit."""

    def build_other_submit(self, call: HttpCall, /) -> HttpCall:
        """Return the same POST to the other path; of that one, the first again."""

    def has_no_route(self, reply: HttpReply, /) -> bool:
        """Whether the reply says that the path is not served, so that surely nothing was created."""


class ServesFiles(Protocol):
    """Optional: outputs can be on the provider's own host, which requires the key."""

    def build_download(self, output: Output, account: Account, /) -> HttpCall:
        """Return the download. Only a call to the origin of the base URL carries the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginPlaces:
    """Optional, a table of an adapter: where a status reply tells how its task came to be."""

    #: The time of creation and what reads it; the first that can be read counts. In a path `0` is a list's first item.
    created: tuple[tuple[tuple[str, ...], Callable[[object], int | None]], ...] = ()
    prompt: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfiguredProvider:
    """An adapter and the account that it is used with."""

    adapter: Provider
    account: Account

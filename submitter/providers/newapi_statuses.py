"""What a status of a new-api gateway says. The sources are those of `newapi`, read 2026-11-21, and those named below.

Four query shapes come from one route family: flat (published), under `data` with upper-case words (task layer), OpenAI
style (`metadata.url`, `progress` as a number), and under `data` with lower-case words (Gemini channels). Gateways also
hand on the words, the wrappers and the result places of the platforms behind them. What bites: `result_url` can hold
the text of the failure; older versions put the URL into `fail_reason` on success; an unknown task is a 400; a task that
was just stored has the state `unknown`; one of `id` and `task_id` can be the upstream's.
"""

from collections.abc import Iterator

from submitter.http.messages import HttpReply, is_success
from submitter.model import (
    Denied,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Source,
    StatusOutcome,
    TaskError,
    TaskKey,
    TaskState,
    Throttled,
)
from submitter.providers.calls import in_path
from submitter.providers.contract import Account, OriginPlaces
from submitter.providers.error_replies import ErrorReply, find_error, status_of_code
from submitter.providers.json_reader import (
    JsonObject,
    StateWords,
    at,
    capped,
    http_url,
    ms_from_s,
    origin,
    percent,
    read_object,
    signed_until_ms,
    text,
    text_at,
)
from submitter.providers.newapi_refusals import KEY_CODES, RATE_CODES, RIGHTS_CODES, code_and_type
from submitter.providers.result_links import Place, first_links
from submitter.providers.statuses import (
    id_text,
    names_task,
    other_task,
    poll_outcome,
    read_state,
    reason,
    unusable,
)

#: Words of all routes and of known forks, in lower case. UNKNOWN is not terminal. From `preparing` on these are words
#: that new-api itself reads from an upstream that speaks like OpenAI (relay/channel/task/sora/adaptor.go,
#: ParseTaskResult, read 2026-11-26): a gateway in front of another one hands them on.
STATES: StateWords = {
    "not_start": TaskState.SUBMITTED,
    "submitted": TaskState.SUBMITTED,
    "queued": TaskState.SUBMITTED,
    "pending": TaskState.SUBMITTED,
    "pending_submit": TaskState.SUBMITTED,
    "in_progress": TaskState.RUNNING,
    "processing": TaskState.RUNNING,
    "running": TaskState.RUNNING,
    "retrying": TaskState.RUNNING,
    "pending_settlement": TaskState.RUNNING,  # finished, but not yet paid for
    "unknown": TaskState.RUNNING,
    "success": TaskState.SUCCEEDED,
    "completed": TaskState.SUCCEEDED,
    "succeeded": TaskState.SUCCEEDED,
    "failure": TaskState.FAILED,
    "failed": TaskState.FAILED,
    "preparing": TaskState.SUBMITTED,
    "notstarted": TaskState.SUBMITTED,
    "created": TaskState.SUBMITTED,
    "starting": TaskState.SUBMITTED,
    "generating": TaskState.RUNNING,
    "complete": TaskState.SUCCEEDED,
    "finished": TaskState.SUCCEEDED,
    "fail": TaskState.FAILED,
    "error": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
    "canceled": TaskState.CANCELED,
}

#: Ends that only the platforms behind a gateway document (each page read 2026-11-21). `expired` there is an end that
#: the platform reports, so it is a failure; our own EXPIRED is something that we infer.
UPSTREAM_STATES: StateWords = {
    "succeed": TaskState.SUCCEEDED,  # Kling, https://app.klingai.com, old generation
    "done": TaskState.SUCCEEDED,  # Jimeng; new-api's relay/channel/task/jimeng/adaptor.go reads it so
    "expired": TaskState.FAILED,  # Volcengine Ark, https://www.volcengine.com/docs/82379/1521309
    "timeout": TaskState.FAILED,  # WaveSpeedAI, https://wavespeed.ai/docs/errors-retries-timeouts
    "deleted": TaskState.FAILED,  # WaveSpeedAI, the same page
    "aborted": TaskState.FAILED,  # Replicate, https://replicate.com/docs/reference/webhooks
}

#: Where the task stands: task layer and Gemini channels, MiniMax's second API, DashScope handed on, published shape.
_HOLDERS: tuple[Place, ...] = (("data",), ("task",), ("output",), ())

#: `task_status` is Kling's and DashScope's name.
_STATE_MEMBERS = ("status", "task_status")

#: Where the link stands, the gateways' own places first: `result_url` (task layer), `url` and `metadata.url` (published
#: and OpenAI shape), `video_url` (DashScope, Jimeng), `video.url` (fal), `content` (Ark, MiniMax), `task_result.videos`
#: (Kling), `results` (DashScope), `output` and `outputs` (Replicate, WaveSpeedAI), and last `fail_reason` (older
#: versions of new-api).
_PLACES: tuple[Place, ...] = (
    ("result_url",),
    ("url",),
    ("metadata", "url"),
    ("video_url",),
    ("video",),
    ("videos",),
    ("content_url",),
    ("content",),
    ("task_result", "videos"),
    ("result", "videos"),
    ("results",),
    ("result",),
    ("output",),
    ("outputs",),
    ("fail_reason",),
)

#: Members that only an answer about a task has. Without one of them and without an id, a status word says nothing:
#: services of every kind answer `{"status": "success"}`.
_ABOUT_A_TASK = frozenset({"progress", "metadata", *(place[0] for place in _PLACES)}) - {"result", "output"}

#: A fork's router limits the requests of a key at once, polls included (`token_concurrency_limit_reached`, read
#: 2026-11-26). Alone and within 200, that code does not refuse a submit.
_HELD_BACK_CODES = (*RATE_CODES, "concurrency_limit")

_NOT_FOUND_CODES = frozenset({"task_not_exist", "task_not_found"})

_NOT_FOUND_WORDS = ("not found", "not exist", "not_exist", "不存在")

#: A gateway ends tasks that are too old with a Chinese reason. It is a timeout, not an error of the input.
_TIMED_OUT_WORDS = ("超时", "timeout", "timed out")

_TIMED_OUT_STATES = frozenset({"expired", "timeout"})

#: QuantumNous/new-api, dto/task.go and dto/openai_video.go.
ORIGIN = OriginPlaces(
    created=(
        (("data", "submit_time"), ms_from_s),
        (("data", "created_at"), ms_from_s),
        (("submit_time",), ms_from_s),
        (("created_at",), ms_from_s),
    )
)


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """A failed task can have an `error` object or a code too, so id and status word are read first."""
    document = read_object(reply.body)
    task = _task_in(reply, document)
    if task is None:
        return _no_task(reply, document)
    own = [at(task, "task_id"), at(task, "id")]
    if names_task(provider_task_id, *own, at(document, "task_id"), at(document, "id")):
        return _observe(provider_task_id, task, document, account, reply.body)
    foreign = next((each for each in own if isinstance(each, str) and id_text(each)), None)
    if foreign is not None:
        return other_task(reply, foreign)
    if status_of_code(at(document, "code")) is None and _is_about_a_task(task):
        return _observe(provider_task_id, task, document, account, reply.body)
    return _no_task(reply, document)


def is_own(url: str, account: Account) -> bool:
    return origin(url) is not None and origin(url) == origin(account.base_url)


def _task_in(reply: HttpReply, document: JsonObject | None) -> object:
    """Return the object with the status word, None where the reply says nothing about a task."""
    if not is_success(reply.status) or document is None:
        return None
    return next((holder for place in _HOLDERS if _word(holder := at(document, *place))), None)


def _word(task: object) -> str:
    """Only a text names a state."""
    words = (at(task, member) for member in _STATE_MEMBERS)
    return next((text(word) for word in words if isinstance(word, str) and text(word)), "")


def _is_about_a_task(task: object) -> bool:
    return any(at(task, member) not in (None, "", [], {}) for member in _ABOUT_A_TASK)


def _no_task(reply: HttpReply, document: JsonObject | None) -> StatusOutcome:
    problem = find_error(reply, document)
    if problem is None:
        return unusable(reply, "a 200 with neither the id of the task nor anything else about it")
    if document is not None and _is_not_found(problem):
        return NotFound(raw=capped(reply.body))
    if is_success(problem.status):
        return _failure_within_200(problem, reply, document)
    return poll_outcome(problem, reply)


def _is_not_found(problem: ErrorReply) -> bool:
    """Only by code or words, because any other 400 is about our request, and a 404 about the route."""
    said = problem.error.message.lower()
    in_words = "task" in said or "任务" in said
    return problem.status in {200, 400} and (
        problem.error.code in _NOT_FOUND_CODES or (in_words and any(word in said for word in _NOT_FOUND_WORDS))
    )


def _failure_within_200(problem: ErrorReply, reply: HttpReply, document: JsonObject | None) -> StatusOutcome:
    """Only a code that names the key speaks for the account; a missing right may be about this task alone."""
    said = code_and_type(problem, document)
    if any(part in said for part in _HELD_BACK_CODES):
        return Throttled(retry_after_s=problem.retry_after_s)
    for status, parts in ((401, KEY_CODES), (403, RIGHTS_CODES)):
        if any(part in said for part in parts):
            return Denied(status=status, message=problem.error.message, raw=capped(reply.body))
    return unusable(reply, f"{problem.error.code}: {problem.error.message}")


def _observe(
    provider_task_id: ProviderTaskId, task: object, document: object, account: Account, raw: bytes
) -> Observation:
    word = _word(task)
    state, is_documented = read_state(word, account, STATES, UPSTREAM_STATES)
    ended = state in {TaskState.SUCCEEDED, TaskState.FAILED}
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=Source.POLL,
        raw_state=word,
        is_documented_state=is_documented,
        progress=percent(at(task, "progress")),
        outputs=tuple(_outputs(provider_task_id, task, account)) if state is TaskState.SUCCEEDED else (),
        error=_reason(state, word, task, document),
        model=text_at(task, "model") or None,
        # `completed_at` is the time of the last update and can be set before the end
        completed_at_ms=ms_from_s(at(task, "finish_time")) or ms_from_s(at(task, "completed_at")) if ended else None,
        raw=capped(raw),
    )


def _outputs(provider_task_id: ProviderTaskId, task: object, account: Account) -> Iterator[Output]:
    """Without a link in a known place, the content proxy is the result: it serves every finished task."""

    def resolve(found: object) -> str | None:
        own_path = isinstance(found, str) and found.startswith("/") and not found.startswith("//")
        return http_url(f"{account.base_url}{found}" if own_path else found)

    expires_at_ms = ms_from_s(at(task, "expires_at"))
    found = [(link.url, link.type) for link in first_links(task, *_PLACES, resolve=resolve)]
    proxy = f"{account.base_url}/v1/videos/{in_path(provider_task_id)}/content"
    for url, kind in found or [(proxy, "video")]:
        until_ms = signed_until_ms(url) or expires_at_ms
        yield Output(url=url, type=kind, expires_at_ms=until_ms, needs_key=is_own(url, account))


def _reason(state: TaskState, word: str, task: object, document: object) -> TaskError | None:
    """In the task, beside it, or in the raw answer of the upstream, which the task layer keeps under `data`."""
    upstream = at(task, "data")
    found = reason(state, task, document, at(upstream, "output"), upstream, code="")
    if found is None or found.code:
        return found
    timed_out = word.lower() in _TIMED_OUT_STATES or any(each in found.message.lower() for each in _TIMED_OUT_WORDS)
    return TaskError(code="timed_out" if timed_out else "failed", message=found.message)

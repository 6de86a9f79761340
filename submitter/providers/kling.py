"""Kling's own API, both generations: the new one has the model in its path, the old one has `model_name` in its body.

Sources, read 2026-11-26: https://klingai.com/document-api/api/get-started/callbacks.md (callbacks, signature, 30 days);
https://klingai.com/document-api/api/video/3-0-omni/text-to-video with its siblings image-to-video and video-omni
(fields, `GET /tasks`); https://kling.ai/document-api/api/get-started/authentication; .../concurrency-rules (20 slots,
no limit of requests); `kling_codes` and `kling_token` have theirs. The old generation: public quotations of
https://kling.ai/document-api/apiReference/commonInfo and its model pages, public logs of its replies (2026-03).

The generation follows from the model, or from the path of a raw body. The old one is queried at the path of the submit,
so the id of such a task has that path's last part before a colon: `image2video:900000000000000002`. Our
`external_task_id` ends with it too, and receipts, states and callbacks repeat that. An id without it is of the new
generation; of an account with a pair of keys, whose token reaches no new path, it is of `text2video`.

Pitfalls: `succeed` (old) and `succeeded` (new); 429 can mean that there is no money; an empty list means an unknown id;
callbacks come at every change and perhaps after the end; `multi_shot` is on unless a raw body turns it off; unknown
members are ignored; the same `external_task_id` twice makes two paid tasks, so it is no guard, but finds a lost one.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from submitter.errors import UnreadableCallback
from submitter.http.messages import Callback, HttpCall, HttpReply, is_success
from submitter.model import (
    REPORTED_FINAL,
    ListedTask,
    ListPage,
    NotFound,
    Observation,
    Output,
    ProviderTaskId,
    Refused,
    Source,
    StatusOutcome,
    SubmitOutcome,
    TaskId,
    TaskKey,
    TaskState,
    Uncertain,
)
from submitter.providers import kling_token, standard_signature
from submitter.providers.calls import get, in_path, post_json, present
from submitter.providers.contract import (
    Account,
    Budget,
    Capabilities,
    OriginPlaces,
    PollAdvice,
    SubmitContext,
)
from submitter.providers.error_replies import find_error
from submitter.providers.json_reader import (
    StateWords,
    at,
    capped,
    first_text,
    ms_from_ms,
    read_object,
    text_at,
    usable_id,
)
from submitter.providers.kling_codes import UNKNOWN_TASK, refused_poll, refused_submit
from submitter.providers.kling_requests import (
    OLD,
    OLD_PATH,
    OMNI,
    PLAIN,
    RAW,
    external_id,
    kind_of,
    path_of,
    video_body,
)
from submitter.providers.list_pages import list_page
from submitter.providers.receipts import first_id, read_submit_reply, receipt, with_evidence, without_id
from submitter.providers.result_links import first_links
from submitter.providers.statuses import id_text, names_task, other_task, read_state, reason, unusable
from submitter.request import RawRequest, VideoRequest

CAPABILITIES = Capabilities(
    title="Kling",
    default_base_url="https://api-singapore.klingai.com",  # China: https://api-beijing.klingai.com, with other keys
    families=(PLAIN, OMNI, OLD),
    marker="@image_N",
    callback=True,
    callback_members=("callback_url", "options.callback_url"),
    own_id_members=("external_task_id", "options.external_task_id"),
    callback_secret=True,
    has_key_pair=True,
    idempotency_s=None,
    retention_s=30 * 86_400.0,
    # No run time is stated, and callbacks come at every change.
    poll=PollAdvice(every_s=15.0, floor_s=5.0),
    # No limit of requests is stated; this is our own.
    budget=Budget(per_s=5.0, burst=10, submits_count=False),
    max_in_flight=20,  # of the smallest paid pack
    raw=RAW,
)

#: Callback page and the pages of both generations.
STATES: StateWords = {
    "submitted": TaskState.SUBMITTED,
    "processing": TaskState.RUNNING,
    "succeeded": TaskState.SUCCEEDED,
    "succeed": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
}

#: No document names a cancellation.
OTHER_STATES: StateWords = {"canceled": TaskState.CANCELED, "cancelled": TaskState.CANCELED}

ORIGIN = OriginPlaces(created=((("data", "0", "create_time"), ms_from_ms), (("data", "created_at"), ms_from_ms)))

_OUR_ID = re.compile(r"(tsk_[0-9A-Za-z]+)(?:-([a-z0-9]+(?:-[a-z0-9]+)*))?")

_OLD_ID = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*):(.+)", re.DOTALL)

_RESULT_LIFE_MS = 30 * 86_400_000


def build_submit(request: VideoRequest | RawRequest, account: Account, context: SubmitContext, /) -> HttpCall:
    path = path_of(request)
    kind = kind_of(path)
    ours = present(callback_url=context.callback_url, external_task_id=external_id(context.idempotency_key, kind))
    body = dict(request.body) if isinstance(request, RawRequest) else video_body(request, kind)
    if kind is not None:
        return post_json(account, path, {**body, **ours})
    given = body.get("options")
    return post_json(account, path, {**body, "options": {**(given if isinstance(given, dict) else {}), **ours}})


def sign_request(call: HttpCall, account: Account, now_ms: int, /) -> HttpCall:
    """With a pair of keys each request has a token of its own, in place of the plain key."""
    if account.secret_key is None:
        return call
    made = kling_token.token(account.api_key, account.secret_key, now_ms // 1000)
    rest = tuple(header for header in call.headers if header[0] != "authorization")
    return replace(call, headers=(("authorization", f"Bearer {made}"), *rest))


def parse_receipt(reply: HttpReply, /) -> SubmitOutcome:
    """A receipt of the old generation that does not repeat our id does not tell where its task is queried."""
    said = read_submit_reply(reply)
    data = at(said.readable, "data")
    named = _named(data)
    if named and said.is_success and not _is_bare(named, data):
        return receipt(named, _word(data), STATES)
    problem = find_error(reply, said.document)
    outcome: Refused | Uncertain = refused_submit(problem, reply) if problem else without_id("data.id")
    if problem is None and named:
        outcome = Uncertain(reason="the receipt does not repeat our external_task_id, so the kind of task is not known")
    return with_evidence(outcome, said, named, problem)


def build_status(provider_task_id: ProviderTaskId, account: Account, /) -> HttpCall:
    kind, bare = _split(provider_task_id, account)
    if kind is None:
        return get(account, f"/tasks?task_ids={in_path(bare)}")
    return get(account, f"{OLD_PATH}{kind}/{in_path(bare)}")


def parse_status(provider_task_id: ProviderTaskId, reply: HttpReply, account: Account, /) -> StatusOutcome:
    """The new generation answers with a list, which is empty for an unknown id."""
    kind, bare = _split(provider_task_id, account)
    document = read_object(reply.body)
    data = at(document, "data")
    tasks = data if isinstance(data, list) else [data]
    task = next((each for each in tasks if names_task(bare, at(each, "id"), at(each, "task_id"))), None)
    if task is not None and _word(task) and is_success(reply.status):
        return _observe(provider_task_id, task, document, account, Source.POLL, reply.body)
    problem = find_error(reply, document)
    if problem and kind and problem.error.code == UNKNOWN_TASK and problem.status == 400:
        return NotFound(raw=capped(reply.body))
    if problem:
        return refused_poll(problem, reply)
    if tasks == []:
        return NotFound(raw=capped(reply.body))
    other = next((each for each in tasks if _id_of(each) and _word(each)), None)
    if other is not None:
        return other_task(reply, at(other, "id") or at(other, "task_id"))
    return unusable(reply, "no task with id and status under data")


def parse_callback(callback: Callback, account: Account, now_ms: int, /) -> Observation:
    """The body is the task itself; handlers of others read it below `data`. An end that is not signed is a hint."""
    verified = standard_signature.verify(callback, account, now_ms)
    document = read_object(callback.body)
    task = document if _id_of(document) else at(document, "data")
    named = _named(task)
    if challenge_answer(callback) is not None:  # it came to an address without a token of ours
        raise UnreadableCallback("the console's test call, which reports no task")
    if named is None or not _word(task):
        raise UnreadableCallback("not a task as Kling documents it: id and status are needed")
    if _is_bare(named, task) and account.secret_key is None:
        raise UnreadableCallback("the task does not repeat our external_task_id, so its kind is not known")
    seen = _observe(named, task, document, account, Source.CALLBACK, callback.body)
    is_hint = seen.state in REPORTED_FINAL and not verified
    is_empty = seen.state is TaskState.SUCCEEDED and not seen.outputs
    return replace(seen, signature_verified=verified, without_result=is_hint or is_empty)


def challenge_answer(callback: Callback, /) -> Mapping[str, str] | None:
    """The console's test call reports a task that is nobody's: it is answered with 200 and not recorded."""
    document = read_object(callback.body)
    is_test = text_at(document, "status") == "submitted" and at(document, "outputs") == [] and not _own_id(document)
    return {} if is_test and _id_of(document) else None


_LIST_PAGE = 30  # the size in the document's example


def build_lookup(task_id: TaskId, request: VideoRequest | RawRequest, account: Account, /, *, page: int) -> HttpCall:
    """Of the old generation only its list is documented, the newest first [inferred]."""
    kind = kind_of(path_of(request))
    if kind is None:
        return get(account, f"/tasks?external_task_ids={in_path(external_id(task_id, kind))}")
    return get(account, f"{OLD_PATH}{kind}?pageNum={page}&pageSize={_LIST_PAGE}")


def parse_lookup(reply: HttpReply, /) -> ListPage | StatusOutcome:
    document = read_object(reply.body)
    problem = find_error(reply, document)
    if problem:
        return refused_poll(problem, reply)
    return list_page(reply, at(document, "data"), _listed, total=None, has_more=None, size=_LIST_PAGE)


def _listed(row: object) -> ListedTask | None:
    named = _named(row)
    if named is None:
        return None
    return ListedTask(
        provider_task_id=named,
        raw_state=_word(row),
        created_at_ms=ms_from_ms(at(row, "create_time")) or ms_from_ms(at(row, "created_at")),
        own_id=_own_id(row),
    )


def _split(provider_task_id: ProviderTaskId, account: Account) -> tuple[str | None, ProviderTaskId]:
    """The kind of a task of the old generation, None for the new one, and the id that Kling knows."""
    found = _OLD_ID.fullmatch(provider_task_id)
    if found:
        return found[1], ProviderTaskId(found[2])
    return ("text2video" if account.secret_key is not None else None), provider_task_id


def _id_of(task: object) -> str:
    return id_text(at(task, "id")) or id_text(at(task, "task_id"))


def _is_bare(named: ProviderTaskId, task: object) -> bool:
    """Whether the id of a task of the old generation lacks its kind."""
    return at(task, "id") is None and not _OLD_ID.fullmatch(named)


def _named(task: object) -> ProviderTaskId | None:
    """The id under which the task is queried."""
    if at(task, "id") is not None:
        return first_id(at(task, "id"))
    bare, found = first_id(at(task, "task_id")), _OUR_ID.fullmatch(_external_at(task))
    return usable_id(f"{found[2]}:{bare}") if bare and found and found[2] else bare


def _own_id(task: object) -> str:
    found = _OUR_ID.fullmatch(_external_at(task))
    return found[1] if found else ""


def _external_at(task: object) -> str:
    return first_text(at(task, "external_id"), at(task, "task_info", "external_task_id"))


def _word(task: object) -> str:
    return first_text(at(task, "status"), at(task, "task_status"))


def _observe(
    provider_task_id: ProviderTaskId, task: object, document: object, account: Account, source: Source, raw: bytes
) -> Observation:
    word = _word(task)
    state, is_documented = read_state(word, account, STATES, OTHER_STATES)
    changed_at_ms = ms_from_ms(at(task, "update_time")) or ms_from_ms(at(task, "updated_at"))
    ended_at_ms = changed_at_ms if state in REPORTED_FINAL else None
    return Observation(
        key=TaskKey(provider=account.name, provider_task_id=provider_task_id),
        state=state,
        source=source,
        raw_state=word,
        is_documented_state=is_documented,
        outputs=_outputs(task, ended_at_ms) if state is TaskState.SUCCEEDED else (),
        error=reason(state, task, document),
        completed_at_ms=ended_at_ms,
        raw=capped(raw),
    )


def _outputs(task: object, ended_at_ms: int | None) -> tuple[Output, ...]:
    """The other places are those of other kinds of task and of similar APIs."""
    places = (("outputs",), ("task_result", "videos"), ("task_result", "images"), ("video_url",), ("url",))
    until_ms = None if ended_at_ms is None else ended_at_ms + _RESULT_LIFE_MS
    return tuple(Output(url=link.url, type=link.type, expires_at_ms=until_ms) for link in first_links(task, *places))

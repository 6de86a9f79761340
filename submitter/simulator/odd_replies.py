"""Replies that are odd and still mean something: an odd envelope, odd bytes, odd HTTP, or another place for a value.

Platforms, gateways and proxies send these beside the documented forms, so each task ends as it would have ended.
Sources of the forms, read 2026-11-25: the public source of QuantumNous/new-api (relay/channel/task,
dto/openai_video.go, middleware/utils.go) for two ids, codes and places of a link;
https://tokenbay.com/docs/reference/errors for an error within 200; the public source of BerriAI/litellm for ids of 262
characters; the DashScope pages of wan2.2-s2v for `results.video_url`; Envoy's own text for its 503.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from submitter.simulator.task import JsonObject
from submitter.simulator.world import world_of

LONG_ID_CHARACTERS = 262

#: Longer than the 8,190 bytes at which some HTTP clients end a header line.
LONG_HEADER_BYTES = 9_000

MANY_COOKIES = 150

_ENVOY = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"

#: The members that hold a task's id, in the documents of the platforms.
_ID_MEMBERS = ("taskId", "task_id", "id", "request_id", "name")

#: Members of a receipt that hold addresses with the id in them.
_ADDRESSES = ("get_result", "response_url", "status_url", "cancel_url", "urls")

#: The objects below which a platform's answer shows the task.
_WRAPPERS = ("data", "output", "task", "file")

#: The word for an end in the documents -> a word of the same meaning that gateways pass on from their upstreams.
OTHER_WORDS: Mapping[str, str] = {"completed": "done", "success": "succeed", "failed": "error", "failure": "cancelled"}

#: The member that holds a result, its type, and the members in which other models of the platform have it.
_OTHER_HOLDERS: Mapping[str, tuple[type, Callable[[Any], JsonObject]]] = {
    "result": (dict, lambda held: {"resources": held["resources"]}),  # Modellix: without the object around the list
    "video": (dict, lambda held: {"videos": [held]}),  # fal's models for several videos
    "outputs": (list, lambda held: {"task_result": {"videos": held}}),  # Kling: as in the other generation
    # Veo: in the SDK's own name
    "response": (
        dict,
        lambda held: {"response": {"generatedVideos": held["generateVideoResponse"]["generatedSamples"]}},
    ),
    # kie.ai: as in its Veo family
    "resultJson": (str, lambda held: {"info": json.loads(held)} if held else {"resultJson": held}),
    # HiAPI: bare addresses in place of objects; Runway: the other way round
    "output": (
        list,
        lambda held: {"output": [{"url": each} if isinstance(each, str) else each["url"] for each in held]},
    ),
}


def long_id(task_id: str) -> str:
    """Return an id like those of LiteLLM: `video_` and the base64 of provider, model and id, 262 characters.

    Of a path, the last segment becomes long.
    """
    path = task_id[: task_id.rfind("/") + 1]
    inner = base64.urlsafe_b64encode(f"litellm:custom_llm_provider:dashscope;video_id:{task_id};".encode()).decode()
    return f"{path}video_{inner.rstrip('=')}"[:LONG_ID_CHARACTERS].ljust(LONG_ID_CHARACTERS, "x")


class ShortBody(Response):
    """Announces ten bytes more than it sends, then ends the connection. Under a server that cannot, it hangs."""

    def __init__(self, request: Request, answer: Response) -> None:
        super().__init__(bytes(answer.body), status_code=answer.status_code, media_type="application/json")
        self.headers["content-length"] = str(len(answer.body) + 10)
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await asyncio.sleep(0.05)  # the bytes leave before the connection ends
        drop = world_of(self._request).drop
        if drop is not None:
            drop(self._request, by_reset=False)
        while (await receive())["type"] != "http.disconnect":
            continue


def with_long_headers(answer: Response) -> Response:
    """The same answer under a header line of 9,000 bytes and 150 cookies."""
    answer.headers["content-security-policy"] = "a" * LONG_HEADER_BYTES
    for number in range(MANY_COOKIES):
        answer.raw_headers.append((b"set-cookie", f"c{number}=1".encode()))
    return answer


def behind_envoy() -> Response:
    """What a proxy answers when the connection to the platform broke after the request was passed on."""
    return PlainTextResponse(_ENVOY, status_code=503)


def upstream_error(status: int) -> Response:
    """A gateway's answer when its upstream did not answer in time; the task may exist there."""
    error = {"message": "upstream request timed out", "type": "upstream_error", "code": "upstream_error"}
    return _json({"error": error}, status)


def forbidden_content() -> Response:
    """A 403 about one task, not about the account."""
    error = {"message": "content of this task violates the policy", "type": "policy", "code": "content_policy"}
    return _json({"error": error, "code": 403, "message": "Forbidden: content of this task violates the policy"}, 403)


def about_no_task() -> Response:
    """A 200 of something in front of the platform: it has a status word and names no task."""
    return _json({"status": "success", "message": "ok"}, 200)


def with_error(answer: Response) -> Response:
    """An error object beside the id: a warning, not a refusal."""
    error = {"message": "field size is deprecated", "type": "warning", "code": "deprecated"}
    return _changed(answer, lambda body: body | {"error": error})


def with_other_code(answer: Response) -> Response:
    """HTTP 201, and a code of success that the documents do not name."""
    changed = _changed(answer, lambda body: body | {"code": 20_000 if body.get("code") in {0, 200} else "OK"})
    changed.status_code = 201
    return changed


def with_bad_byte(answer: Response) -> Response:
    """One byte that is not UTF-8 in the first member: a text that was cut in the middle of a character."""
    body = bytes(answer.body)
    return _raw(b'{"note":"caf\xc3",' + body.lstrip()[1:], answer.status_code)


def cut_behind_id(answer: Response) -> Response:
    """The receipt ends right behind its id, as a whole HTTP answer."""
    body = bytes(answer.body)
    end = max(body.find(f'"{value}"'.encode()) + len(value) + 2 for value in _ids(json.loads(body)))
    return _raw(body[:end], answer.status_code)


def without_id(answer: Response) -> Response:
    """The receipt without any id."""
    return _changed(answer, lambda body: _at_task(body, _drop_ids))


def with_numeric_id(answer: Response) -> Response:
    """The id as a number. Its text must be digits."""
    return _changed(answer, lambda body: _at_task(body, _number_ids))


def with_two_ids(answer: Response) -> Response:
    """A gateway behind a gateway: `id` is the id that was asked for, `task_id` is the upstream's own."""

    def second(task: JsonObject) -> JsonObject:
        own = next((task[name] for name in _ID_MEMBERS if isinstance(task.get(name), str)), None)
        return task if own is None else task | {"id": own, "task_id": "task_upstream_1"}

    return _changed(answer, lambda body: _at_task(body, second))


def with_other_word(answer: Response) -> Response:
    """An end in a word that gateways pass on from their upstreams, with the words of the documents left out."""

    def renamed(task: JsonObject) -> JsonObject:
        word = str(task.get("status", "")).lower()
        return task | {"status": OTHER_WORDS[word]} if word in OTHER_WORDS else task

    return _changed(answer, lambda body: _at_task(body, renamed))


def without_result(answer: Response) -> Response:
    """A success without its link."""
    links = (
        "output",
        "video_url",
        "result",
        "result_url",
        "url",
        "metadata",
        "video",
        "content",
        "outputs",
        "task_result",
        "resultJson",
        "download_url",
    )

    def emptied(task: JsonObject) -> JsonObject:
        samples: JsonObject = {"generateVideoResponse": {"generatedSamples": [{"video": {}}]}}
        kept = {name: task[name] for name in task if name not in links}
        return kept | ({"response": samples} if "response" in task else {})

    return _changed(answer, lambda body: _at_task(body, emptied))


def with_result_elsewhere(answer: Response) -> Response:
    """The link where other models of the same platform have it."""

    def moved(task: JsonObject) -> JsonObject:
        for name, (kind, other) in _OTHER_HOLDERS.items():
            if isinstance(task.get(name), kind):
                return {member: task[member] for member in task if member != name} | other(task[name])
        if isinstance(task.get("output"), str):  # Replicate: an object of a model's own form
            return task | {"output": {"seed": 7, "files": {"video": task["output"]}}}
        link = _link(task)
        if link is None:
            return task
        rest = {name: value for name, value in task.items() if name not in {"video_url", "result_url", "url"}}
        if "task_status" in task:  # DashScope's digital humans
            return rest | {"results": {"video_url": link}}
        return rest | {"metadata": None, "content": {"video_url": link}}

    return _changed(answer, lambda body: _at_task(body, moved))


def with_blank_in_link(answer: Response) -> Response:
    """The link holds a blank and ends with a line feed."""

    def blank(value: object) -> object:
        if isinstance(value, dict):
            return {name: blank(each) for name, each in value.items()}
        if isinstance(value, list):
            return [blank(each) for each in value]
        if isinstance(value, str) and value.startswith("{"):  # kie.ai: JSON in a text
            return json.dumps(blank(json.loads(value)))
        is_link = isinstance(value, str) and value.startswith("http") and "?" in value
        return f"{value}&name=my video\n" if is_link else value

    return _changed(answer, lambda body: {name: blank(each) for name, each in body.items()})


def with_reason_elsewhere(answer: Response) -> Response:
    """The reason of a failure beside the task, as `code` and `message`; without a wrapper, a text as `error`."""

    def lifted(body: JsonObject) -> JsonObject:
        listed = body.get("data")
        if isinstance(listed, list) and listed:  # Kling
            reason = listed[0].get("message")
            return body | {"data": [listed[0] | {"message": ""}]} | ({"message": reason} if reason else {})
        wrapper = next((name for name in _WRAPPERS if isinstance(body.get(name), dict)), None)
        task: JsonObject = body if wrapper is None else body[wrapper]
        stated = task.get("error")
        error: JsonObject = stated if isinstance(stated, dict) else task
        reason = error.get("message") or task.get("fail_reason") or task.get("failMsg")
        if not isinstance(reason, str) or not reason:
            return body
        places = ("error", "code", "message", "fail_reason", "result_url", "failMsg")
        rest = {name: value for name, value in task.items() if name not in places}
        if wrapper is None:
            return rest | {"error": reason}
        top = {"code": error["code"]} if wrapper == "output" and "code" in error else {}
        return body | {wrapper: rest, "message": reason} | top

    return _changed(answer, lifted)


def _changed(answer: Response, change: Callable[[JsonObject], JsonObject]) -> Response:
    return _json(change(json.loads(bytes(answer.body))), answer.status_code)


def _json(body: object, status: int) -> Response:
    return _raw(json.dumps(body, ensure_ascii=False).encode(), status)


def _raw(body: bytes, status: int) -> Response:
    return Response(body, status_code=status, media_type="application/json")


def _at_task(body: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Change the object that shows the task: the one below a wrapper, or the whole body."""
    for name in _WRAPPERS:
        if isinstance(body.get(name), dict):
            return body | {name: change(body[name])}
        if isinstance(body.get(name), list) and name == "data":
            return body | {name: [change(each) for each in body[name]]}
    return change(body)


def _ids(body: JsonObject) -> list[str]:
    task = next((body[name] for name in _WRAPPERS if isinstance(body.get(name), dict)), body)
    return [task[name] for name in _ID_MEMBERS if isinstance(task.get(name), str)]


def _drop_ids(task: JsonObject) -> JsonObject:
    return {name: value for name, value in task.items() if name not in {*_ID_MEMBERS, *_ADDRESSES}}


def _number_ids(task: JsonObject) -> JsonObject:
    return task | {name: int(task[name]) for name in _ID_MEMBERS if str(task.get(name)).isdecimal()}


def _link(task: JsonObject) -> str | None:
    metadata = task.get("metadata")
    places = [task.get("video_url"), task.get("result_url"), task.get("url")]
    places += [metadata.get("url")] if isinstance(metadata, dict) else []
    return next((place for place in places if isinstance(place, str) and place.startswith(("http", "/"))), None)

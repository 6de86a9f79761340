"""The odd replies, each through the socket: the task exists, and the reply says so in an unusual form."""

import asyncio
import json

import httpx
import pytest

from submitter.simulator.odd_replies import LONG_ID_CHARACTERS
from tests.integration.simulator.calls import PLATFORM_APIS, PLATFORM_NAMES, ApiClient, calling, sink

everywhere = pytest.mark.parametrize("platform", PLATFORM_NAMES)
at_gateways = pytest.mark.parametrize("platform", ["modelstream", "tokenbay"])


async def _sent(caller: ApiClient, platform: str, fault: str) -> tuple[httpx.Response, str]:
    """The answer to a submit that meets the fault, and the id of the task that it created."""
    caller.sim.plan(platform, [[fault]])
    answer = await caller.send(platform)
    [task] = caller.sim.records().tasks
    return answer, task.task_id


@everywhere
@pytest.mark.parametrize("fault", ["receipt_with_error", "receipt_other_code"])
async def test_a_receipt_with_an_odd_envelope_names_its_task(platform: str, fault: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, fault)
    usual = PLATFORM_APIS[platform].created_status
    assert answer.status_code == (201 if fault == "receipt_other_code" else usual)
    assert PLATFORM_APIS[platform].task_id(answer.json()) == task_id
    assert fault != "receipt_with_error" or answer.json()["error"]["code"] == "deprecated"
    assert fault != "receipt_other_code" or answer.json()["code"] in {20_000, "OK"}


@everywhere
async def test_a_receipt_may_hold_a_byte_that_is_not_utf_8(platform: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, "receipt_bad_byte")
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()
    assert PLATFORM_APIS[platform].task_id(json.loads(answer.content.decode(errors="replace"))) == task_id


@everywhere
async def test_a_receipt_may_end_right_behind_its_id(platform: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, "receipt_cut")
    assert answer.text.endswith(f'"{task_id}"')
    with pytest.raises(ValueError, match=r"Expecting|delimiter"):
        answer.json()


@everywhere
async def test_a_receipt_may_name_no_task(platform: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, "receipt_without_id")
    assert answer.status_code == PLATFORM_APIS[platform].created_status
    assert task_id not in answer.text


async def test_a_replay_repeats_a_receipt_that_names_no_task() -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [["receipt_without_id"]])
        body = PLATFORM_APIS["hiapi"].body("x")
        first, again = [await caller.post("hiapi", "/v1/tasks", body, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true")


@everywhere
async def test_an_id_may_have_262_characters(platform: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, "receipt_long_id")
        assert len(task_id) == LONG_ID_CHARACTERS
        assert PLATFORM_APIS[platform].task_id(answer.json()) == task_id
        assert await caller.state(platform, task_id)


@at_gateways
async def test_a_gateways_id_may_be_a_number(platform: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, "receipt_number_id")
        assert answer.json()["task_id"] == int(task_id)
        assert await caller.state(platform, task_id)


@everywhere
@pytest.mark.parametrize("fault", ["receipt_long_headers", "query_long_headers"])
async def test_headers_may_be_many_and_long(platform: str, fault: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, fault)
        answer = answer if fault.startswith("receipt") else await caller.query(platform, task_id)
    assert len(answer.headers["content-security-policy"]) > 8_190
    assert len(answer.headers.get_list("set-cookie")) == 150
    assert task_id in answer.text


@everywhere
@pytest.mark.parametrize("fault", ["receipt_short_body", "query_short_body"])
async def test_a_body_may_be_shorter_than_its_length(platform: str, fault: str) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        if fault.startswith("query"):
            await caller.submit(platform)
        [*tasks] = caller.sim.records().tasks
        path = PLATFORM_APIS[platform].status_path.format(tasks[0].task_id if tasks else "")
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|closed"):
            await (caller.get(platform, path) if tasks else caller.send(platform))
        assert len(caller.sim.records().tasks) == 1


@everywhere
@pytest.mark.parametrize("fault", ["reply_proxy_503", "reply_upstream_error"])
async def test_an_error_of_something_in_between_comes_though_the_task_was_created(platform: str, fault: str) -> None:
    async with calling() as caller:
        answer, task_id = await _sent(caller, platform, fault)
    assert answer.status_code == (503 if fault == "reply_proxy_503" else 200 if platform == "tokenbay" else 504)
    assert "upstream" in answer.text
    assert task_id not in answer.text


@everywhere
async def test_a_submit_may_be_refused_as_not_allowed(platform: str) -> None:
    async with calling() as caller:
        answer = await caller.send(platform, "x #simulate:submit_403")
        assert (answer.status_code, caller.sim.records().tasks) == (403, ())
        again = await caller.send(platform, "x #simulate:submit_403")
    assert again.status_code == PLATFORM_APIS[platform].created_status


@everywhere
@pytest.mark.parametrize(("fault", "status"), [("query_403", 403), ("query_no_task", 200), ("query_bad_byte", 200)])
async def test_odd_status_answers_come_twice(platform: str, fault: str, status: int) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, fault)
        answers = [await caller.query(platform, task_id) for _ in range(3)]
    usual = PLATFORM_APIS[platform].open_status
    assert [answer.status_code for answer in answers] == [usual if fault == "query_bad_byte" else status] * 2 + [usual]
    assert (task_id in answers[0].text) == (fault == "query_bad_byte")
    assert PLATFORM_APIS[platform].state(answers[2].json())


#: Each kind comes in its platform's own envelope.
REFUSED_POLLS = {
    "query_401": 401,
    "query_403_account": 403,
    "query_403_model": 403,
    "query_403_group": 403,
    "query_403_ip": 403,
    "query_403_banned": 403,
}

#: Where the documents give a code.
DENIAL_CODES = {
    ("dashscope", "query_401"): "InvalidApiKey",
    ("dashscope", "query_403_account"): "AccessDenied",
    ("dashscope", "query_403_model"): "AccessDenied.Unpurchased",
    ("hiapi", "query_401"): "UNAUTHORIZED",
    ("hiapi", "query_403_account"): "FORBIDDEN",
}


@everywhere
@pytest.mark.parametrize(("fault", "status"), REFUSED_POLLS.items())
async def test_a_status_query_may_be_refused_for_the_account(platform: str, fault: str, status: int) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, fault)
        answers = [await caller.query(platform, task_id) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, PLATFORM_APIS[platform].open_status]
    assert DENIAL_CODES.get((platform, fault), "") in answers[0].text
    kind = {"query_403_group": "group", "query_403_ip": "IP", "query_403_banned": "banned"}.get(fault, "")
    assert kind in answers[0].text


@at_gateways
async def test_a_gateway_behind_a_gateway_names_both_ids(platform: str) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, "two_ids")
        answer = (await caller.query(platform, task_id)).json()
    task = answer.get("data", answer)
    assert (task["id"], task["task_id"]) == (task_id, "task_upstream_1")


@at_gateways
@pytest.mark.parametrize(("path", "ends"), [("/v1/videos/{}", {"done", "succeed"})])
async def test_a_gateway_may_state_an_end_in_its_upstreams_word(platform: str, path: str, ends: set[str]) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, "other_word")
        caller.sim.finish(task_id)
        answer = (await caller.get(platform, path.format(task_id))).json()
    assert answer["status"] in ends


def _links(text: str) -> bool:
    return "/cdn/" in text or "/content" in text or ":download" in text


@everywhere
async def test_a_result_may_come_late_or_never(platform: str) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [["result_late"], ["result_missing"]])
        late, never = await caller.submit(platform), await caller.submit(platform)
        shown = {}
        for task_id in (late, never):
            caller.sim.finish(task_id)
            shown[task_id] = [_links((await caller.result(platform, task_id)).text) for _ in range(4)]
    assert (shown[late], shown[never]) == ([False, False, True, True], [False] * 4)


@everywhere
@pytest.mark.parametrize("fault", ["result_elsewhere", "result_blank"])
async def test_a_link_may_stand_elsewhere_or_hold_a_blank(platform: str, fault: str) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, fault)
        caller.sim.finish(task_id)
        answer = await caller.result(platform, task_id)
    assert _links(answer.text)
    assert fault != "result_blank" or platform == "tokenbay" or PLATFORM_APIS[platform].blank in answer.text
    assert fault != "result_elsewhere" or PLATFORM_APIS[platform].elsewhere in answer.text


@pytest.mark.parametrize("platform", ["hiapi", "dashscope", "modelstream", "tokenbay"])
async def test_the_reason_of_a_failure_may_stand_beside_the_task(platform: str) -> None:
    async with calling() as caller:
        _, task_id = await _sent(caller, platform, "reason_elsewhere")
        caller.sim.fail(task_id, message="bad picture")
        answer = (await caller.query(platform, task_id)).json()
    assert answer.get("message", answer.get("error")) == "bad picture"
    assert "bad picture" not in json.dumps(answer.get("data") or answer.get("output") or {})


@pytest.mark.parametrize("fault", ["callback_odd_form", "callback_gzip"])
async def test_a_callback_may_have_another_form(fault: str) -> None:
    async with calling(speed=600) as caller, sink() as place:
        body = PLATFORM_APIS["hiapi"].body(f"x #simulate:{fault}") | {"callback": {"url": place.url}}
        await caller.post("hiapi", "/v1/tasks", body)
        [received] = await place.wait_for(1)
        await asyncio.sleep(0)
    if fault == "callback_odd_form":
        assert "content-type" not in received.headers
    else:
        assert (received.headers["content-encoding"], received.raw[:2]) == ("gzip", b"\x1f\x8b")
    assert "x-hiapi-signature" in received.headers

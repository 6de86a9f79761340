"""Rates, concurrency, idempotency keys and the life of results."""

import asyncio

import httpx
import pytest

from submitter.simulator import NO_LIMITS, Limit, SimulatorConfig
from submitter.simulator.rate_limit import RateWindows
from tests.integration.simulator.calls import PLATFORM_APIS, ApiClient, calling


async def keyed(caller: ApiClient, key: str, prompt: str = "a horse") -> httpx.Response:
    return await caller.post("hiapi", "/v1/tasks", PLATFORM_APIS["hiapi"].body(prompt), **{"Idempotency-Key": key})


async def test_hiapi_throttles_the_request_after_sixty_and_says_when_it_ends() -> None:
    async with calling() as caller:
        answers = [await caller.query("hiapi", "none") for _ in range(61)]
        throttled = caller.sim.records().throttled
    assert {answer.status_code for answer in answers[:60]} == {404}
    assert (answers[60].status_code, answers[60].headers["x-ratelimit-remaining"]) == (429, "0")
    assert answers[0].headers["x-ratelimit-limit"] == "60"
    assert int(answers[60].headers["x-ratelimit-reset"]) > 10**9
    assert [(entry.platform, entry.reason) for entry in throttled] == [("hiapi", "rate")]


def test_a_window_passes_with_the_speed() -> None:
    windows = RateWindows(SimulatorConfig(speed=600, limits={"hiapi": Limit(requests=1, window_s=60)}))
    counted = [windows.count("hiapi", now_s) for now_s in (0.0, 0.05, 0.1, 0.15)]
    assert [each and each.is_over for each in counted] == [False, True, False, True]
    assert [each and each.reset_s for each in counted] == [0.1, 0.1, 0.2, 0.2]


async def test_dashscope_limits_task_calls_but_not_submits() -> None:
    async with calling(speed=0.01) as caller:
        ids = [await caller.submit("dashscope") for _ in range(25)]
        answers = [await caller.query("dashscope", ids[0]) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json()["code"] == "Throttling.RateQuota"


async def test_modellix_answers_429_with_its_headers_to_one_task_too_many() -> None:
    async with calling(limits={"modellix": Limit(requests=100, concurrent=2)}) as caller:
        first, _ = await caller.submit("modellix"), await caller.submit("modellix")
        refused = await caller.send("modellix")
        caller.sim.finish(first)
        assert (await caller.send("modellix")).status_code == 200
    assert refused.status_code == 429
    assert refused.json()["message"].startswith("Too Many Requests")
    assert {"x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"} <= set(refused.headers)


async def test_hiapi_runs_ten_tasks_at_once() -> None:
    async with calling() as caller:
        assert [(await caller.send("hiapi")).status_code for _ in range(11)] == [200] * 10 + [429]


async def test_limits_can_be_turned_off() -> None:
    async with calling(limits=NO_LIMITS) as caller:
        for platform, api in PLATFORM_APIS.items():
            assert {(await caller.send(platform)).status_code for _ in range(15)} == {api.created_status}
        assert "x-ratelimit-limit" not in (await caller.send("hiapi")).headers


async def test_a_repeated_key_replays_the_first_answer_and_creates_nothing() -> None:
    async with calling() as caller:
        first, second = await keyed(caller, "k"), await keyed(caller, "k")
        [task] = caller.sim.records().tasks
    assert second.content == first.content
    assert ("idempotent-replay" in first.headers, second.headers["idempotent-replay"]) == (False, "true")
    assert task.idempotent_replays == 1


async def test_a_replay_uses_up_no_planned_faults() -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [[], ["fail"]])
        for key in ("a", "a", "b"):
            await keyed(caller, key)
        assert [task.faults for task in caller.sim.records().tasks] == [(), ("fail",)]


async def test_a_key_with_another_body_is_422() -> None:
    async with calling() as caller:
        await keyed(caller, "k")
        answer = await keyed(caller, "k", "another horse")
        assert len(caller.sim.records().tasks) == 1
    assert (answer.status_code, answer.json()["error_code"]) == (422, "IDEMPOTENCY_KEY_MISMATCH")


async def test_a_key_is_bound_to_bytes_not_to_meaning() -> None:
    async with calling() as caller:
        headers = caller.headers("hiapi") | {"Idempotency-Key": "k", "Content-Type": "application/json"}
        url = caller.sim.base_url("hiapi") + "/v1/tasks"
        raws = (b'{"model":"m","input":{}}', b'{"input":{},"model":"m"}')
        statuses = [(await caller.http.post(url, content=raw, headers=headers)).status_code for raw in raws]
    assert statuses == [200, 422]


async def test_a_key_still_being_processed_is_409_with_a_wait() -> None:
    async with calling(slow_s=2.0) as caller:
        caller.sim.plan("hiapi", [["reply_slow"]])
        first = asyncio.create_task(keyed(caller, "k"))
        while not caller.sim.records().tasks:
            await asyncio.sleep(0.01)
        second = await keyed(caller, "k")
        assert (await first).status_code == 200
    assert (second.status_code, second.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_PROCESSING")
    assert second.headers["retry-after"] == "5"


async def test_a_lost_reply_is_recovered_by_the_same_key() -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [["reply_lost"]])
        with pytest.raises(httpx.RemoteProtocolError):
            await keyed(caller, "k")
        again = await keyed(caller, "k")
        [task] = caller.sim.records().tasks
    assert again.json()["data"]["taskId"] == task.task_id


@pytest.mark.parametrize("fault", ["submit_429", "submit_503"])
async def test_a_refused_submit_leaves_its_key_free(fault: str) -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [[fault]])
        assert (await keyed(caller, "k")).status_code in {429, 503}
        assert "idempotent-replay" not in (await keyed(caller, "k")).headers


async def test_a_key_expires_after_a_day() -> None:
    async with calling() as caller:
        first = await keyed(caller, "k")
        caller.skip(24 * 3600)
        second = await keyed(caller, "k")
    assert first.json() != second.json()


async def test_a_key_longer_than_255_bytes_is_refused() -> None:
    async with calling() as caller:
        assert (await keyed(caller, "k" * 256)).status_code == 400
        assert (await keyed(caller, "k" * 255)).status_code == 200


@pytest.mark.parametrize(("platform", "gone"), [("hiapi", 404), ("dashscope", 403), ("modellix", 403)])
async def test_a_result_link_ends_with_its_result(platform: str, gone: int) -> None:
    async with calling(retention_s={platform: 3600}) as caller:
        caller.sim.finish(await caller.submit(platform))
        [link] = caller.sim.records().tasks[0].outputs
        assert (await caller.http.get(link)).status_code == 200
        caller.skip(3600)
        assert (await caller.http.get(link)).status_code == gone


async def test_dashscope_and_modellix_forget_a_task_whose_result_is_gone() -> None:
    async with calling() as caller:
        first, second = await caller.submit("dashscope"), await caller.submit("modellix")
        caller.skip(25 * 3600)
        assert await caller.state("dashscope", first) == "UNKNOWN"
        assert (await caller.query("modellix", second)).status_code == 404


async def test_hiapi_still_knows_a_task_whose_file_is_gone() -> None:
    async with calling() as caller:
        task_id = await caller.submit("hiapi")
        caller.skip(8 * 86_400)
        assert await caller.state("hiapi", task_id) == "success"


def test_the_limits_of_a_platform_are_replaced_one_by_one() -> None:
    config = SimulatorConfig(limits={"hiapi": Limit(requests=5)})
    assert (config.limit("hiapi").requests, config.limit("modellix").requests) == (5, 100)

"""The fault menu, each fault through the socket, and the three ways to request it."""

import re
from pathlib import Path

import httpx
import pytest

from submitter.simulator import MENU, UnknownFaultError
from tests.integration.simulator.calls import PLATFORM_APIS, PLATFORM_NAMES, calling

everywhere = pytest.mark.parametrize("platform", PLATFORM_NAMES)


@everywhere
@pytest.mark.parametrize(("fault", "status"), [("submit_429", 429), ("submit_503", 503), ("submit_500", 500)])
async def test_a_refused_submit_creates_nothing(platform: str, fault: str, status: int) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        assert (await caller.send(platform)).status_code == status
        records = caller.sim.records()
    assert (records.tasks, records.refused[0].status) == ((), status)


@everywhere
@pytest.mark.parametrize(("fault", "created"), [("submit_reset", 0), ("reply_lost", 1)])
async def test_after_a_lost_answer_only_the_records_show_what_happened(platform: str, fault: str, created: int) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        with pytest.raises(httpx.TransportError):
            await caller.send(platform)
        assert len(caller.sim.records().tasks) == created
        assert not any(task.receipt_returned for task in caller.sim.records().tasks)


@everywhere
@pytest.mark.parametrize("fault", ["reply_truncated", "reply_html"])
async def test_an_unreadable_receipt_is_still_a_paid_task(platform: str, fault: str) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        answer = await caller.send(platform)
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()
        assert len(caller.sim.records().of(platform)) == 1


async def test_a_slow_receipt_outlasts_an_impatient_caller() -> None:
    async with calling() as caller:
        caller.sim.plan("tokenbay", [["reply_slow"]])
        caller.http.timeout = httpx.Timeout(60, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await caller.send("tokenbay")
        assert len(caller.sim.records().tasks) == 1


async def test_a_slow_receipt_comes_in_the_end() -> None:
    async with calling(speed=1000) as caller:
        caller.sim.plan("hiapi", [["reply_slow"]])
        assert (await caller.send("hiapi")).status_code == 200


@everywhere
@pytest.mark.parametrize(("fault", "status"), [("query_429", 429), ("query_500", 500), ("query_redirect", 302)])
async def test_a_query_fault_hits_twice_then_the_platform_behaves(platform: str, fault: str, status: int) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        task_id = await caller.submit(platform)
        answers = [(await caller.query(platform, task_id)).status_code for _ in range(3)]
    assert answers == [status, status, PLATFORM_APIS[platform].open_status]


@everywhere
@pytest.mark.parametrize("fault", ["query_truncated", "query_html"])
async def test_a_corrupt_state_is_no_json_until_the_third_query(platform: str, fault: str) -> None:
    async with calling() as caller:
        caller.sim.plan(platform, [[fault]])
        task_id = await caller.submit(platform)
        for _ in range(2):
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                (await caller.query(platform, task_id)).json()
        assert await caller.state(platform, task_id)


async def test_a_reset_query_ends_without_an_answer() -> None:
    async with calling() as caller:
        task_id = await caller.submit("modellix", "x #simulate:query_reset")
        for _ in range(2):
            with pytest.raises(httpx.ReadError):
                await caller.query("modellix", task_id)
        assert await caller.state("modellix", task_id) == "pending"


async def test_a_slow_query_outlasts_an_impatient_caller_once() -> None:
    async with calling() as caller:
        task_id = await caller.submit("dashscope", "x #simulate:query_slow")
        caller.http.timeout = httpx.Timeout(60, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await caller.query("dashscope", task_id)
        caller.http.timeout = httpx.Timeout(60)
        assert await caller.state("dashscope", task_id) == "PENDING"


@everywhere
async def test_a_mixed_up_answer_is_another_tasks_success(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform, "x #simulate:query_wrong_id,stuck")
        mixed_up = await caller.query(platform, task_id)
        assert PLATFORM_APIS[platform].good in mixed_up.text
        assert f'"{task_id}"' not in mixed_up.text
        assert caller.sim.records().task(task_id).state != "succeeded"


@everywhere
async def test_a_task_not_visible_yet_is_unknown_twice(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform, "x #simulate:not_visible")
        unknown = await caller.query(platform, "x" * 20)
        answers = [await caller.query(platform, task_id) for _ in range(3)]
    assert [answer.status_code == unknown.status_code for answer in answers[:2]] == [True, True]
    assert PLATFORM_APIS[platform].state(answers[2].json())
    assert PLATFORM_APIS[platform].unknown_id_text in answers[0].text or answers[0].status_code >= 400


@pytest.mark.parametrize("platform", [name for name in PLATFORM_NAMES if PLATFORM_APIS[name].has_words])
async def test_an_undocumented_word_is_shown_only_while_running(platform: str) -> None:
    async with calling(queued_share=0.0) as caller:
        task_id = await caller.submit(platform, "x #simulate:unknown_state")
        assert await caller.state(platform, task_id) == "POST_PROCESSING"
        caller.sim.finish(task_id)
        assert await caller.state(platform, task_id) != "POST_PROCESSING"


@everywhere
async def test_a_forgotten_task_is_unknown_once_it_has_ended(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform, "x #simulate:unknown_after")
        assert await caller.state(platform, task_id)
        caller.sim.finish(task_id)
        forgotten, unknown = await caller.query(platform, task_id), await caller.query(platform, "none")
    assert forgotten.status_code == unknown.status_code
    assert forgotten.status_code != 200 or PLATFORM_APIS[platform].unknown_id_text in forgotten.text


@everywhere
async def test_a_task_with_the_fault_fail_fails(platform: str) -> None:
    async with calling(speed=1e9) as caller:
        task_id = await caller.submit(platform, "x #simulate:fail")
        assert caller.sim.records().task(task_id).state == "failed"


async def test_a_stuck_task_never_ends_by_itself_but_can_be_ended() -> None:
    async with calling(speed=1e9) as caller:
        task_id = await caller.submit("modelstream", "x #simulate:stuck")
        assert await caller.state("modelstream", task_id) == "IN_PROGRESS"
        caller.sim.fail(task_id)
        assert await caller.state("modelstream", task_id) == "FAILURE"


async def test_a_redirect_followed_with_the_key_is_counted_as_a_leak() -> None:
    async with calling() as caller:
        task_id = await caller.submit("tokenbay", "x #simulate:query_redirect")
        target = (await caller.query("tokenbay", task_id)).headers["location"]
        await caller.http.get(target)
        assert caller.sim.records().keys_leaked == 0
        await caller.http.get(target, headers=caller.headers("tokenbay"))
        assert caller.sim.records().keys_leaked == 1


async def test_planned_faults_are_taken_in_order_of_arrival_per_platform() -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [["fail"], [], ["stuck", "not_visible"]])
        await caller.submit("dashscope")
        for _ in range(4):
            await caller.submit("hiapi")
        faults = [task.faults for task in caller.sim.records().of("hiapi")]
    assert faults == [("fail",), (), ("not_visible", "stuck"), ()]


async def test_a_submit_refused_by_the_platform_itself_uses_up_no_plan() -> None:
    async with calling() as caller:
        caller.sim.plan("hiapi", [["fail"]])
        await caller.send("hiapi", input={})
        task_id = await caller.submit("hiapi")
        assert caller.sim.records().task(task_id).faults == ("fail",)


async def test_a_refusal_named_in_a_prompt_is_over_when_the_same_bytes_return() -> None:
    async with calling() as caller:
        statuses = [(await caller.send("modellix", "x #simulate:submit_503")).status_code for _ in range(3)]
    assert statuses == [503, 200, 200]


@everywhere
async def test_a_prompt_naming_no_fault_of_the_menu_is_refused(platform: str) -> None:
    async with calling() as caller:
        answer = await caller.send(platform, "x #simulate:no_such_fault")
        assert caller.sim.records().tasks == ()
    assert "no_such_fault" in answer.text


async def test_random_draws_give_the_same_faults_for_the_same_seed() -> None:
    drawn = []
    for seed in (3, 3, 4):
        async with calling(seed=seed, faults={"fail": 0.5, "not_visible": 0.5}) as caller:
            for _ in range(12):
                await caller.submit("tokenbay")
            drawn.append([(task.faults, task.state) for task in caller.sim.records().tasks])
    assert drawn[0] == drawn[1] != drawn[2]


async def test_an_empty_plan_prevents_random_faults() -> None:
    async with calling(faults={"fail": 1.0}) as caller:
        caller.sim.plan("tokenbay", [[]])
        for _ in range(2):
            await caller.submit("tokenbay")
        assert [task.faults for task in caller.sim.records().tasks] == [(), ("fail",)]


async def test_names_that_are_not_on_the_menu_are_errors() -> None:
    async with calling() as caller:
        with pytest.raises(UnknownFaultError):
            caller.sim.plan("hiapi", [["nonsense"]])
        with pytest.raises(ValueError, match="no platform"):
            caller.sim.plan("unknown", [[]])
    with pytest.raises(UnknownFaultError):
        async with calling(faults={"nonsense": 1.0}):
            pass


def test_every_fault_of_the_menu_is_tried_by_a_test() -> None:
    texts = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"[a-z_]+[a-z0-9_]*", texts))
    assert {name for name in MENU if name not in named} == set()

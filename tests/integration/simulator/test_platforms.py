"""Every platform: key, submit, states, results, in the words of its documents."""

import re
from typing import Any

import pytest

from tests.integration.simulator.apis.platform_api import PICTURE
from tests.integration.simulator.calls import PLATFORM_APIS, PLATFORM_NAMES, calling

everywhere = pytest.mark.parametrize("platform", PLATFORM_NAMES)


@everywhere
async def test_a_task_waits_then_succeeds_in_the_platforms_own_words(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform)
        assert await caller.state(platform, task_id) == PLATFORM_APIS[platform].waiting
        caller.sim.finish(task_id)
        assert await caller.state(platform, task_id) == PLATFORM_APIS[platform].good


@everywhere
async def test_a_task_out_of_the_queue_is_running(platform: str) -> None:
    async with calling(queued_share=0.0) as caller:
        assert await caller.state(platform, await caller.submit(platform)) == PLATFORM_APIS[platform].running


@everywhere
async def test_a_failed_task_is_still_http_200(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform)
        caller.sim.fail(task_id, message="no horse found")
        answer = await caller.query(platform, task_id)
    assert answer.status_code == 200
    assert PLATFORM_APIS[platform].state(answer.json()) == PLATFORM_APIS[platform].bad
    assert platform == "modellix" or "no horse found" in answer.text


@everywhere
async def test_time_alone_ends_a_task(platform: str) -> None:
    async with calling(speed=1e9) as caller:
        task_id = await caller.submit(platform)
        assert caller.sim.records().task(task_id).state == "succeeded"


@everywhere
@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "sim-key", "Bearer \u00e9"])
async def test_a_wrong_key_is_401_and_creates_nothing(platform: str, authorization: str) -> None:
    async with calling() as caller:
        api = PLATFORM_APIS[platform]
        url = caller.sim.base_url(platform) + api.submit_path
        headers = api.headers | {api.key_header: authorization}
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = await caller.http.post(url, json=api.body("x"), headers=sent)
        assert answer.status_code == 401
        assert caller.sim.records().tasks == ()


@everywhere
async def test_one_platforms_key_and_tasks_are_unknown_to_the_others(platform: str) -> None:
    async with calling() as caller:
        others = [other for other in PLATFORM_NAMES if other != platform]
        ids = [await caller.submit(other) for other in others]
        answers = [(await caller.query(platform, task_id)) for task_id in ids]
    assert all("queued" not in answer.text.lower() and "pending" not in answer.text.lower() for answer in answers)


async def test_unknown_ids_are_answered_as_documented() -> None:
    async with calling() as caller:
        answers = {name: await caller.query(name, "tk-none") for name in PLATFORM_NAMES}
    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert statuses == {name: api.unknown_id_status for name, api in PLATFORM_APIS.items()}
    assert answers["dashscope"].json()["output"] == {"task_id": "tk-none", "task_status": "UNKNOWN"}
    assert answers["modelstream"].json() == {"code": "task_not_exist", "message": "task_not_exist", "data": None}


async def test_an_empty_account_is_refused_as_documented() -> None:
    async with calling(quota=dict.fromkeys(PLATFORM_NAMES, 0)) as caller:
        answers = {name: await caller.send(name) for name in PLATFORM_NAMES}
        statuses = {name: answer.status_code for name, answer in answers.items()}
        assert statuses == {name: api.no_balance_status for name, api in PLATFORM_APIS.items()}
        assert answers["dashscope"].json()["code"] == "Arrearage"
        assert {refused.reason for refused in caller.sim.records().refused} == {"no_balance"}


async def test_a_quota_lets_exactly_so_many_tasks_in() -> None:
    async with calling(quota={"tokenbay": 2}) as caller:
        assert [(await caller.send("tokenbay")).status_code for _ in range(3)] == [200, 200, 403]


@everywhere
async def test_a_body_that_is_not_json_is_refused(platform: str) -> None:
    async with calling() as caller:
        api = PLATFORM_APIS[platform]
        url = caller.sim.base_url(platform) + api.submit_path
        headers = caller.headers(platform) | {"Content-Type": "application/json"}
        for raw in (b"{", b"[" * 100_000, b"[]", b"\xff\xfe", b"", b'{"a": NaN}', b'"\\ud800"'):
            answer = await caller.http.post(url, content=raw, headers=headers)
            assert answer.status_code in {400, 415, 422} or "error" in answer.json()
        assert caller.sim.records().tasks == ()


async def test_hiapi_refuses_a_body_over_ten_megabytes() -> None:
    async with calling() as caller:
        answer = await caller.send("hiapi", "x" * 10_500_000)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "REQUEST_TOO_LARGE")


@everywhere
async def test_an_unknown_model_is_refused(platform: str) -> None:
    async with calling() as caller:
        path = PLATFORM_APIS[platform].unknown_model_path or PLATFORM_APIS[platform].submit_path
        body = PLATFORM_APIS[platform].body("x") | {"model": "no-such-model"}
        answer = await caller.post(platform, path, body)
    assert answer.status_code in {400, 404, 503}


async def test_the_records_hold_bytes_and_headers_but_no_key() -> None:
    async with calling() as caller:
        task_id = await caller.submit("hiapi", "a red horse")
        task = caller.sim.records().task(task_id)
    assert b"a red horse" in task.raw_body
    assert task.body["input"]["prompt"] == "a red horse"
    assert "authorization" not in task.headers
    assert (task.platform, task.model, task.state) == ("hiapi", "happyhorse-1.1/text-to-video", "queued")


async def test_hiapi_ids_and_receipts_have_the_documented_form() -> None:
    async with calling() as caller:
        receipt = (await caller.send("hiapi")).json()
    assert (receipt["code"], receipt["message"], set(receipt["data"])) == (200, "success", {"taskId"})
    assert re.fullmatch(r"tk-hiapi-[0-9a-z]{26}", receipt["data"]["taskId"])


async def test_hiapi_completed_is_zero_until_the_end() -> None:
    async with calling() as caller:
        task_id = await caller.submit("hiapi")
        before = (await caller.query("hiapi", task_id)).json()["data"]
        caller.sim.finish(task_id)
        after = (await caller.query("hiapi", task_id)).json()["data"]
    assert before["completed"] == 0
    assert after["completed"] >= after["created"]
    assert after["output"][0]["expireAt"] - after["completed"] == 7 * 86_400


async def test_hiapi_refuses_unknown_input_with_its_own_envelope() -> None:
    async with calling() as caller:
        answer = await caller.send("hiapi", input={"prompt": "x", "seed": 1})
    expected = {"code": 400, "message": "unknown field input.seed", "data": None, "error_code": "INVALID_REQUEST"}
    assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": "720P"},
        {"aspect_ratio": "2:1"},
        {"duration": 2},
        {"duration": 16},
        {"duration": "5"},
        {"duration": True},
        {"prompt": ""},
        {"reference_image": []},
        {"reference_image": [PICTURE] * 10},
        {"reference_image": ["ftp://x"]},
    ],
)
async def test_hiapi_holds_to_every_documented_limit(change: dict[str, object]) -> None:
    async with calling() as caller:
        right = {
            "prompt": "x",
            "reference_image": [PICTURE],
            "resolution": "720p",
            "aspect_ratio": "9:21",
            "duration": 15,
        }
        body = {"model": "happyhorse-1.1/reference-to-video", "input": right}
        assert (await caller.post("hiapi", "/v1/tasks", body)).status_code == 200
        assert (await caller.post("hiapi", "/v1/tasks", body | {"input": right | change})).status_code == 400


@pytest.mark.parametrize("change", [{"aspect_ratio": "21:9"}, {"seed": 2**31}, {"audio": True}, {"duration": 16}])
async def test_hiapi_holds_the_older_model_to_its_own_limits(change: dict[str, object]) -> None:
    async with calling() as caller:
        body: dict[str, Any] = {"model": "happyhorse-1-0"}
        right = {"prompt": "a horse", "aspect_ratio": "3:4", "seed": 7}
        assert (await caller.post("hiapi", "/v1/tasks", body | {"input": right})).status_code == 200
        assert (await caller.post("hiapi", "/v1/tasks", body | {"input": right | change})).status_code == 400


@pytest.mark.parametrize(
    "change",
    [{"aspect_ratio": "16:9"}, {"seed": 7}, {"image_urls": [PICTURE] * 2}, {"image_urls": []}, {"duration": 2}],
)
async def test_hiapis_image_to_video_takes_exactly_one_picture(change: dict[str, object]) -> None:
    async with calling() as caller:
        body: dict[str, Any] = {"model": "happyhorse-1.1/image-to-video"}
        right = {"image_urls": [PICTURE], "resolution": "1080p"}
        assert (await caller.post("hiapi", "/v1/tasks", body | {"input": right})).status_code == 200
        assert (await caller.post("hiapi", "/v1/tasks", body | {"input": right | change})).status_code == 400


async def test_hiapi_passes_other_models_on_unchecked() -> None:
    async with calling() as caller:
        body = {"model": "other/model", "input": {"anything": [1]}, "route": "east"}
        task_id = (await caller.post("hiapi", "/v1/tasks", body)).json()["data"]["taskId"]
        data = (await caller.query("hiapi", task_id)).json()["data"]
    assert (data["model"], data["route"]) == ("other/model@east", "east")


async def test_hiapi_lists_newest_first_and_corrects_pages_without_an_error() -> None:
    async with calling() as caller:
        ids = [await caller.submit("hiapi") for _ in range(3)]
        page = (await caller.get("hiapi", "/v1/tasks?page=0&size=2")).json()["data"]
    assert (page["page"], page["size"], page["total"]) == (1, 2, 3)
    assert [task["taskId"] for task in page["tasks"]] == ids[:0:-1]


async def test_dashscope_needs_its_async_header() -> None:
    async with calling() as caller:
        body = PLATFORM_APIS["dashscope"].body("x")
        answer = await caller.post(
            "dashscope", PLATFORM_APIS["dashscope"].submit_path, body, **{"X-DashScope-Async": "no"}
        )
    assert answer.status_code == 403
    assert "synchronous" in answer.json()["message"]


async def test_dashscope_times_are_beijing_times_without_a_zone() -> None:
    async with calling(queued_share=0.0) as caller:
        task_id = await caller.submit("dashscope")
        output = (await caller.query("dashscope", task_id)).json()["output"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", output["submit_time"])
    assert set(output) == {"task_id", "task_status", "submit_time", "scheduled_time"}


async def test_dashscope_cuts_an_overlong_prompt_without_an_error() -> None:
    async with calling() as caller:
        task_id = await caller.submit("dashscope", "x" * 6000)
        caller.sim.finish(task_id)
        assert len((await caller.query("dashscope", task_id)).json()["output"]["orig_prompt"]) == 5000


async def test_dashscope_cancels_only_what_is_pending() -> None:
    async with calling() as caller:
        task_id = await caller.submit("dashscope")
        first = await caller.post("dashscope", f"/tasks/{task_id}/cancel")
        second = await caller.post("dashscope", f"/tasks/{task_id}/cancel")
        assert await caller.state("dashscope", task_id) == "CANCELED"
    assert (first.status_code, set(first.json())) == (200, {"request_id"})
    assert (second.status_code, second.json()["code"]) == (400, "UnsupportedOperation")


async def test_dashscope_lists_by_status_without_links() -> None:
    async with calling() as caller:
        first, _ = [await caller.submit("dashscope") for _ in range(2)]
        caller.sim.finish(first)
        page = (await caller.get("dashscope", "/tasks/?status=SUCCEEDED&page_size=5")).json()
    assert (page["total"], page["total_page"], page["page_size"]) == (1, 1, 5)
    assert page["data"][0]["task_id"] == first
    assert "http" not in str(page["data"])


@pytest.mark.parametrize("query", ["start_time=20200101000000", "start_time=yesterday"])
async def test_dashscope_refuses_a_list_over_more_than_a_day(query: str) -> None:
    async with calling() as caller:
        assert (await caller.get("dashscope", f"/tasks/?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("wrong", "code"), [({}, "BadRequest.EmptyModel"), ({"model": "happyhorse-1.0-t2v"}, "BadRequest.EmptyInput")]
)
async def test_dashscope_names_what_is_empty(wrong: dict[str, object], code: str) -> None:
    async with calling() as caller:
        answer = await caller.post("dashscope", PLATFORM_APIS["dashscope"].submit_path, wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_modellix_takes_the_suffix_or_not_as_configured() -> None:
    path, statuses = "/alibaba/happyhorse-1.0-r2v", {}
    for served in ("both", "suffix", "plain"):
        async with calling(modellix_async_path=served) as caller:
            body = PLATFORM_APIS["modellix"].body("x")
            answers = [await caller.post("modellix", path + end, body) for end in ("/async", "")]
            statuses[served] = [answer.status_code for answer in answers]
    assert statuses == {"both": [200, 200], "suffix": [200, 404], "plain": [404, 200]}


async def test_modellix_results_are_in_milliseconds_and_receipts_name_the_next_call() -> None:
    async with calling() as caller:
        receipt = (await caller.send("modellix")).json()
        caller.sim.finish(receipt["data"]["task_id"])
        get_result = receipt["data"]["get_result"]
        data = (await caller.http.get(get_result["url"], headers=caller.headers("modellix"))).json()["data"]
    assert (receipt["code"], receipt["data"]["status"]) == (0, "pending")
    assert data["result_expires_at"] > 10**12
    assert data["result"]["resources"][0]["role"] == "primary"


@pytest.mark.parametrize("change", [{"ratio": "21:9"}, {"reference_images": ["data:image/png;base64,aaaa"]}])
async def test_modellix_takes_five_ratios_and_no_data_uris(change: dict[str, Any]) -> None:
    async with calling() as caller:
        answer = await caller.send("modellix", **change)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Bad Request: ")


async def test_modellix_answers_for_its_key_and_balance() -> None:
    async with calling() as caller:
        assert (await caller.get("modellix", "/apikey/validate")).json()["data"] == {"is_valid": True}
        assert "balance" in (await caller.get("modellix", "/team/balance")).json()["data"]


@pytest.mark.parametrize(("shape", "state"), [("a", "completed"), ("b", "SUCCESS"), ("d", "succeeded")])
async def test_modelstream_reports_success_in_each_shape(shape: str, state: str) -> None:
    async with calling(modelstream_shape=shape) as caller:
        task_id = await caller.submit("modelstream")
        caller.sim.finish(task_id)
        body = (await caller.query("modelstream", task_id)).json()
    shown = body.get("data", body)
    assert shown["status"] == state
    assert shown.get("url", shown.get("result_url")).endswith(caller.sim.records().tasks[0].outputs[0][-40:])


async def test_modelstream_failure_puts_the_reason_where_the_link_would_be() -> None:
    async with calling() as caller:
        task_id = await caller.submit("modelstream")
        caller.sim.fail(task_id, message="blocked")
        row = (await caller.query("modelstream", task_id)).json()["data"]
    assert (row["fail_reason"], row["result_url"], row["progress"]) == ("blocked", "blocked", "100%")


async def test_modelstream_videos_route_speaks_the_other_shape() -> None:
    async with calling() as caller:
        receipt = (await caller.post("modelstream", "/v1/videos", PLATFORM_APIS["modelstream"].body("x"))).json()
        caller.sim.finish(receipt["id"])
        video = (await caller.get("modelstream", f"/v1/videos/{receipt['id']}")).json()
    assert (receipt["status"], receipt["progress"], receipt["object"]) == ("queued", 0, "video")
    assert (video["status"], video["progress"]) == ("completed", 100)
    assert video["metadata"]["url"].startswith(caller.sim.origin)


async def test_modelstream_fresh_row_is_unknown_in_the_videos_route() -> None:
    async with calling(modelstream_not_started_s=60) as caller:
        task_id = await caller.submit("modelstream")
        assert await caller.state("modelstream", task_id) == "NOT_START"
        assert (await caller.get("modelstream", f"/v1/videos/{task_id}")).json()["status"] == "unknown"


async def test_modelstream_has_three_error_envelopes() -> None:
    async with calling() as caller:
        page = (await caller.send("modelstream", duration=99)).json()
        router = (await caller.send("modelstream", model="no-such-model")).json()
        flat = (await caller.query("modelstream", "task_none")).json()
    assert set(page["error"]) == {"message", "type", "param", "code"}
    assert router["error"]["type"] == "new_api_error"
    assert "request id" in router["error"]["message"]
    assert set(flat) == {"code", "message", "data"}


@pytest.mark.parametrize(("in_200", "status"), [(True, 200), (False, 400)])
async def test_tokenbay_business_errors_can_hide_in_200(in_200: bool, status: int) -> None:
    async with calling(tokenbay_errors_in_200=in_200) as caller:
        answer = await caller.send("tokenbay", duration=2)
        assert caller.sim.records().tasks == ()
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "code"}


async def test_tokenbay_progress_changes_type_and_the_link_is_relative() -> None:
    async with calling() as caller:
        receipt = (await caller.send("tokenbay")).json()
        caller.sim.finish(receipt["id"])
        state = (await caller.query("tokenbay", receipt["task_id"])).json()
    assert (receipt["id"], receipt["progress"], receipt["status"]) == (receipt["task_id"], 0, "QUEUED")
    assert (state["progress"], state["result_url"]) == ("100%", f"/v1/videos/{receipt['id']}/content")


async def test_tokenbay_state_can_sit_under_data() -> None:
    async with calling(tokenbay_shape="data") as caller:
        task_id = await caller.submit("tokenbay")
        assert (await caller.query("tokenbay", task_id)).json()["data"]["status"] == "QUEUED"


@pytest.mark.parametrize("platform", ["modelstream", "tokenbay"])
@pytest.mark.parametrize("pictures", [0, 10])
async def test_gateways_want_one_to_nine_pictures(platform: str, pictures: int) -> None:
    async with calling() as caller:
        items = [{"type": "reference_image", "url": PICTURE}] * pictures
        metadata = {"input": {"media": items}}
        answer = await caller.send(platform, model="happyhorse-1.0-r2v", metadata=metadata)
    assert "error" in answer.json()

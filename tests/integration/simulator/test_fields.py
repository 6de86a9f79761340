"""Fields, each where the platform documents it, and within the documented limits."""

from typing import Any

import pytest

from tests.integration.simulator.calls import PLATFORM_APIS, PLATFORM_NAMES, calling

everywhere = pytest.mark.parametrize("platform", PLATFORM_NAMES)


@pytest.mark.parametrize(("platform", "limit_mb"), [("dashscope", 20), ("modelstream", 20), ("tokenbay", 10)])
async def test_a_picture_as_data_uri_may_have_the_documented_size(platform: str, limit_mb: int) -> None:
    def with_picture(megabytes: float) -> dict[str, Any]:
        link = f"data:image/png;base64,{'A' * (int(megabytes * 1024 * 1024) // 3 * 4)}"
        pictures = {"media": [{"type": "reference_image", "url": link}]}
        body: dict[str, Any] = {"model": "happyhorse-1.0-r2v"}
        if platform == "dashscope":
            return body | {"input": {"prompt": "x"} | pictures}
        return body | {"prompt": "x", "metadata": {"input": pictures}}

    async with calling() as caller:
        path = PLATFORM_APIS[platform].submit_path
        fits, over = [await caller.post(platform, path, with_picture(limit_mb + more)) for more in (-0.1, 0.1)]
    assert PLATFORM_APIS[platform].task_id(fits.json())
    assert "MB" in over.text


@everywhere
@pytest.mark.parametrize("prompt", ["", "  "])
async def test_an_empty_prompt_is_refused_at_once_or_fails_the_task(platform: str, prompt: str) -> None:
    async with calling() as caller:
        answer = await caller.send(platform, prompt)
        caller.skip(900)  # in which every task ends
        if not PLATFORM_APIS[platform].checks_input:
            answer = await caller.result(platform, PLATFORM_APIS[platform].task_id(answer.json()))
            assert [task.state for task in caller.sim.records().tasks] == ["failed"]
        else:
            assert caller.sim.records().tasks == ()
    assert "prompt" in answer.text


@pytest.mark.parametrize("platform", ["dashscope", "modellix", "modelstream", "tokenbay"])
async def test_a_prompt_is_cut_after_2500_chinese_characters(platform: str) -> None:
    async with calling() as caller:
        await caller.submit(platform, "\u9a6c" * 2_600)
        [task] = caller.sim._world.tasks.values()
    assert len(task.draft.prompt) == 2_500


@pytest.mark.parametrize(
    ("platform", "place", "width"),
    [
        ("modelstream", {"parameters": {"ratio": "9:16"}}, 1080),
        ("modelstream", {"ratio": "9:16"}, 1080),
        ("tokenbay", {"parameters": {"ratio": "9:16"}}, 1920),
        ("tokenbay", {"ratio": "9:16"}, 1080),
    ],
)
async def test_each_gateway_reads_the_ratio_in_its_own_places(platform: str, place: dict[str, Any], width: int) -> None:
    async with calling() as caller:
        await caller.submit(platform, metadata=place)
        [task] = caller.sim._world.tasks.values()
    assert task.draft.clip.pixels[0] == width


@pytest.mark.parametrize(("platform", "is_refused"), [("modelstream", False), ("tokenbay", True)])
async def test_only_tokenbay_knows_a_reference_type(platform: str, is_refused: bool) -> None:
    async with calling() as caller:
        answer = await caller.send(platform, metadata={"reference_type": "mood"})
    assert ("reference_type" in answer.text) is is_refused


async def test_modellix_serves_its_own_client_at_the_origin() -> None:
    async with calling() as caller:
        headers = caller.headers("modellix")
        paths = ("models", "apikey/validate", "team/balance", "tasks/none")
        models, valid, balance, none = [
            await caller.http.get(f"{caller.sim.origin}/api/v1/{path}", headers=headers) for path in paths
        ]
    assert {"slug": "alibaba/happyhorse-1.0-r2v"}.items() <= models.json()["models"][2].items()
    assert valid.json()["data"]["is_valid"] is True
    assert balance.json()["data"]["balance"] == 100.0
    assert none.status_code == 404

"""The videos: real files, whole and in ranges, with and without a key."""

import struct

import pytest

from submitter.simulator.media import video_of
from tests.integration.simulator.calls import ApiClient, calling


def boxes(content: bytes) -> list[tuple[str, int]]:
    """Names and sizes of the top-level boxes."""
    found, at = [], 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        found.append((kind.decode(), size))
        at += size
    return found


async def finished_link(caller: ApiClient, platform: str = "dashscope") -> str:
    caller.sim.finish(await caller.submit(platform))
    return caller.sim.records().of(platform)[-1].outputs[0]


def test_a_video_is_made_of_whole_boxes() -> None:
    content = video_of("a", 5)
    assert [kind for kind, _ in boxes(content)] == ["ftyp", "moov", "mdat"]
    assert sum(size for _, size in boxes(content)) == len(content)


def test_the_first_sample_is_where_the_table_says() -> None:
    content = video_of("a", 3)
    at = content.index(b"stco") + 12
    [offset] = struct.unpack_from(">I", content, at)
    assert content[offset : offset + 8] == b"\x89PNG\r\n\x1a\n"


def test_videos_differ_by_task_and_length_but_not_by_call() -> None:
    assert video_of("a", 5) == video_of("a", 5)
    assert len({video_of("a", 5), video_of("b", 5), video_of("a", 6)}) == 3


async def test_a_link_gives_the_whole_file_without_a_key() -> None:
    async with calling() as caller:
        answer = await caller.http.get(await finished_link(caller))
        task_id = caller.sim.records().tasks[0].task_id
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert (answer.headers["accept-ranges"], answer.content) == ("bytes", video_of(task_id, 5))


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, -1), ("bytes=-8", -8, -1), ("bytes=5-99999", 5, -1)],
)
async def test_a_range_is_answered_206(wanted: str, first: int, last: int) -> None:
    async with calling() as caller:
        link = await finished_link(caller)
        whole = (await caller.http.get(link)).content
        answer = await caller.http.get(link, headers={"Range": wanted})
    start, end = first % len(whole), last % len(whole)
    assert (answer.status_code, answer.content) == (206, whole[start : end + 1])
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(whole)}"


@pytest.mark.parametrize("wanted", ["bytes=99999-", "bytes=9-5", "bytes=-0"])
async def test_a_range_outside_the_file_is_416(wanted: str) -> None:
    async with calling() as caller:
        link = await finished_link(caller)
        whole = (await caller.http.get(link)).content
        answer = await caller.http.get(link, headers={"Range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(whole)}")


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "bytes=-", "lines=1-2"])
async def test_a_range_of_another_kind_is_answered_with_everything(wanted: str) -> None:
    async with calling() as caller:
        answer = await caller.http.get(await finished_link(caller), headers={"Range": wanted})
    assert answer.status_code == 200


async def test_a_link_with_a_wrong_signature_or_of_an_unfinished_task_gives_nothing() -> None:
    async with calling() as caller:
        link = await finished_link(caller)
        running = await caller.submit("dashscope")
        assert (await caller.http.get(link[:-1] + "!")).status_code == 403
        assert (await caller.http.get(f"{caller.sim.origin}/cdn/dashscope/{running}.mp4")).status_code == 404


async def test_a_key_sent_to_a_link_is_counted_as_a_leak() -> None:
    async with calling() as caller:
        link = await finished_link(caller)
        await caller.http.get(link, headers=caller.headers("dashscope"))
        assert caller.sim.records().keys_leaked == 1


@pytest.mark.parametrize("platform", ["modelstream", "tokenbay"])
async def test_the_content_proxy_needs_the_key_and_takes_ranges(platform: str) -> None:
    async with calling() as caller:
        task_id = await caller.submit(platform)
        path = f"/v1/videos/{task_id}/content"
        assert (await caller.get(platform, path)).status_code == 400
        caller.sim.finish(task_id)
        assert (await caller.http.get(caller.sim.base_url(platform) + path)).status_code == 401
        part = await caller.get(platform, path, Range="bytes=4-7")
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert caller.sim.records().keys_leaked == 0


@pytest.mark.parametrize("platform", ["modelstream", "tokenbay"])
async def test_the_content_proxy_knows_unknown_and_expired_videos(platform: str) -> None:
    async with calling(speed=1e9) as caller:
        task_id = await caller.submit(platform)
        assert (await caller.get(platform, f"/v1/videos/{task_id}/content")).status_code == 502
        assert (await caller.get(platform, "/v1/videos/none/content")).status_code == 404

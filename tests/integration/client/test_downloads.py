"""Both clients downloading a file, over connections that break, from servers that send no parts or something else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from submitter.client import conversation
from submitter.client.calls import results
from submitter.errors import FileChanged, ReceiverRefused, ReceiverUnreachable
from tests.support.both_clients import Either, Kind, either
from tests.support.raw_server import Answering, Peer, RawServer, hanging, reply, serving
from tests.support.stream_bytes import (
    PATIENCE_S,
    one_after_another,
    problem,
    replying_with,
    resetting_after,
    staying_open_after,
)

FILM = bytes(range(256)) * 40
NAMED = b'Content-Disposition: attachment; filename="tsk_1-video.mp4"'


@pytest.fixture(params=["async", "sync"], name="kind")
def _kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "RETRY_PAUSES_S", (0.01, 0.01, 0.01))


@asynccontextmanager
async def _against(kind: Kind, *answers: Answering) -> AsyncIterator[tuple[Either, RawServer]]:
    async with (
        serving(one_after_another(*answers)) as server,
        either(kind, server.url.removesuffix("/a"), "key") as client,
        asyncio.timeout(PATIENCE_S),
    ):
        yield client, server


def _head(status: bytes, length: int, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: video/mp4", NAMED, b"Content-Length: %d" % length, *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


WHOLE = _head(b"200 OK", len(FILM))


def _part(start: int) -> bytes:
    place = b"Content-Range: bytes %d-%d/%d" % (start, len(FILM) - 1, len(FILM))
    return _head(b"206 Partial Content", len(FILM) - start, place)


def _ranges(server: RawServer) -> list[bytes | None]:
    heads = (request.lower().split(b"\r\n") for request in server.requests)
    return [next((line[7:] for line in head if line.startswith(b"range: ")), None) for head in heads]


async def test_a_file_gets_its_name_when_it_is_whole(kind: Kind, tmp_path: Path) -> None:
    place, seen = tmp_path / "film.mp4", list[tuple[int, int | None]]()
    async with _against(kind, replying_with(WHOLE, FILM)) as (client, server):
        done = await client.do("results.download", "tsk_1", place, on_bytes=lambda *said: seen.append(said))
    assert (done, place.read_bytes(), list(tmp_path.iterdir())) == (place, FILM, [place])
    assert seen[-1] == (len(FILM), len(FILM))
    assert server.requests[0].startswith(b"GET /v1/tasks/tsk_1/files/0 ")


async def test_in_a_folder_it_gets_the_name_that_the_service_has(kind: Kind, tmp_path: Path) -> None:
    async with _against(kind, replying_with(WHOLE, FILM)) as (client, _):
        assert await client.do("results.download", "tsk_1", tmp_path) == tmp_path / "tsk_1-video.mp4"


@pytest.mark.parametrize("name", [b"../../x", b"..", b"a/b", b".hidden", b'x"; y="', b"\xff"])
async def test_a_name_that_leads_elsewhere_is_not_taken(kind: Kind, tmp_path: Path, name: bytes) -> None:
    head = WHOLE.replace(b"tsk_1-video.mp4", name)
    async with _against(kind, replying_with(head, FILM)) as (client, _):
        assert await client.do("results.download", "tsk/1", tmp_path, number=0) == tmp_path / "tsk%2F1-0"


@pytest.mark.parametrize("breaking", [replying_with, resetting_after])
async def test_a_broken_connection_is_gone_on_with_at_the_byte_where_it_broke(
    kind: Kind, tmp_path: Path, breaking: object
) -> None:
    broken = replying_with if breaking is replying_with else resetting_after
    begun = 4_000
    sent: list[int] = []

    async def sending_what_is_wanted(peer: Peer, number: int) -> None:
        wanted = _ranges(server)[number - 1]
        sent.append(0 if wanted is None else int(wanted[6:-1]))
        await peer.say(_part(sent[-1]) if wanted else WHOLE, FILM[sent[-1] :])

    script = (broken(WHOLE, FILM[:begun]), replying_with(problem(503, "stopping")), sending_what_is_wanted)
    async with _against(kind, *script) as (client, server):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM
    assert broken is resetting_after or sent == [
        begun - results.OVERLAP
    ]  # a reset may take what was sent before it along


async def test_bytes_come_each_once_also_where_the_file_is_not_sent_in_parts(kind: Kind) -> None:
    script = (replying_with(WHOLE, FILM[:4_000]), replying_with(WHOLE, FILM[:6_000]), replying_with(WHOLE, FILM))
    async with _against(kind, *script) as (client, _):
        assert b"".join(await client.items("results.chunks", "tsk_1")) == FILM


@pytest.mark.parametrize(("there", "wanted"), [(2, 1), (100, 1), (4_000, 4_000 - results.OVERLAP)])
async def test_the_next_download_goes_on_with_what_is_there(
    kind: Kind, tmp_path: Path, there: int, wanted: int
) -> None:
    place = tmp_path / "film.mp4"
    (tmp_path / "film.mp4.part").write_bytes(FILM[:there])
    async with _against(kind, replying_with(_part(wanted), FILM[wanted:])) as (client, server):
        await client.do("results.download", "tsk_1", place)
    assert (place.read_bytes(), _ranges(server)) == (FILM, [b"bytes=%d-" % wanted])


async def test_what_is_there_whole_only_gets_its_name(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(FILM)
    last = len(FILM) - results.OVERLAP
    async with _against(kind, replying_with(_part(last), FILM[last:])) as (client, _):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_a_file_that_is_not_sent_in_parts_begins_anew(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(b"x" * 100)
    async with _against(kind, replying_with(WHOLE, FILM)) as (client, _):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_a_file_that_breaks_off_again_and_again_never_has_its_name(kind: Kind, tmp_path: Path) -> None:
    script = (replying_with(WHOLE, FILM[:4_000]), replying_with())
    async with _against(kind, *script) as (client, server):
        with pytest.raises(ReceiverUnreachable):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4.part"]
    assert (tmp_path / "film.mp4.part").read_bytes() == FILM[:4_000]
    assert len(server.requests) == 4


async def test_a_part_of_something_longer_is_left_alone(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(FILM + b"x")
    gone = reply(b"", b"Content-Range: bytes */%d" % len(FILM), status=b"416 Range Not Satisfiable")
    async with _against(kind, replying_with(gone)) as (client, _):
        with pytest.raises(FileChanged, match="shorter"):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4.part").read_bytes() == FILM + b"x"


async def test_another_part_than_the_wanted_one_is_not_taken(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(FILM[:100])
    async with _against(kind, replying_with(_part(50), FILM[50:])) as (client, _):
        with pytest.raises(ReceiverUnreachable, match="another part"):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")


async def test_an_answer_that_ends_early_is_gone_on_with(kind: Kind, tmp_path: Path) -> None:
    """Its head says that there is more, though nothing broke: a gateway that sends so many bytes at once does that."""

    async def sending_few(peer: Peer, number: int) -> None:
        wanted = int((_ranges(server)[number - 1] or b"bytes=0-")[6:-1])
        sent = FILM[wanted : wanted + 4_000]
        place = b"Content-Range: bytes %d-%d/%d" % (wanted, wanted + len(sent) - 1, len(FILM))
        await peer.say(_head(b"206 Partial Content", len(sent), place), sent)

    (tmp_path / "film.mp4.part").write_bytes(FILM[:100])
    async with _against(kind, sending_few) as (client, server):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
        assert b"".join(await client.items("results.chunks", "tsk_1")) == FILM
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_an_answer_that_always_ends_early_never_makes_a_whole_file(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(FILM)
    last = len(FILM) - results.OVERLAP
    head = _part(last).replace(b"Content-Length: %d" % results.OVERLAP, b"Content-Length: 10")
    async with _against(kind, replying_with(head, FILM[last : last + 10])) as (client, server):
        with pytest.raises(ReceiverUnreachable, match="ended early"):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert ([path.name for path in tmp_path.iterdir()], len(server.requests)) == (["film.mp4.part"], 4)


@pytest.mark.parametrize("there", [100, 4_000, len(FILM)])
async def test_parts_of_two_files_are_not_put_together(kind: Kind, tmp_path: Path, there: int) -> None:
    other = bytes(reversed(FILM))
    (tmp_path / "film.mp4.part").write_bytes(other[:there])
    wanted = max(1, there - results.OVERLAP)
    async with _against(kind, replying_with(_part(wanted), FILM[wanted:])) as (client, _):
        with pytest.raises(FileChanged, match=f"another one than that of which {there} bytes are there"):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("film.mp4.part", other[:there])]


async def test_bytes_of_another_file_are_not_given_after_those_of_the_first(kind: Kind) -> None:
    script = (replying_with(WHOLE, FILM[:4_000]), replying_with(WHOLE, bytes(reversed(FILM))))
    async with _against(kind, *script) as (client, _):
        with pytest.raises(FileChanged, match="another one"):
            await client.items("results.chunks", "tsk_1")


async def test_a_file_that_is_shorter_than_its_part_is_not_taken(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "film.mp4.part").write_bytes(FILM + b"x")
    wanted = len(FILM) + 1 - results.OVERLAP
    async with _against(kind, replying_with(_part(wanted), FILM[wanted:])) as (client, _):
        with pytest.raises(FileChanged, match="shorter"):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4.part").read_bytes() == FILM + b"x"


@pytest.mark.parametrize("into_folder", [False, True])
async def test_a_file_that_is_there_is_not_written_over(kind: Kind, tmp_path: Path, into_folder: bool) -> None:
    place = tmp_path / "tsk_1-video.mp4"
    place.write_bytes(b"mine")
    async with _against(kind, replying_with(WHOLE, FILM)) as (client, _):
        with pytest.raises(FileExistsError, match="there already"):
            await client.do("results.download", "tsk_1", tmp_path if into_folder else place)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(place, b"mine")]


@pytest.mark.parametrize(
    ("answer", "raised", "words"),
    [
        (problem(409, "conflict"), ReceiverRefused, "409"),
        (problem(404, "not-found"), ReceiverRefused, "404"),
        (problem(502, "other", detail="The link has ended."), ReceiverRefused, "link has ended"),
        (reply(b"<html>", status=b"502 Bad"), ReceiverUnreachable, "no file of whenfinal"),
    ],
)
async def test_what_is_no_file_leaves_nothing_behind(
    kind: Kind, tmp_path: Path, answer: bytes, raised: type[Exception], words: str
) -> None:
    async with _against(kind, replying_with(answer)) as (client, _):
        with pytest.raises(raised, match=words):
            await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


async def test_a_silent_connection_is_taken_for_dead(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "SILENCE_S", 0.2)
    script = (staying_open_after(WHOLE, FILM[:10]), hanging, replying_with(_part(1), FILM[1:]))
    async with _against(kind, *script) as (client, _):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == FILM


async def test_an_empty_file_is_a_file(kind: Kind, tmp_path: Path) -> None:
    async with _against(kind, replying_with(_head(b"200 OK", 0))) as (client, _):
        await client.do("results.download", "tsk_1", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b""

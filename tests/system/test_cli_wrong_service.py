"""A command at a service that it can not use: a key, an address or an answer that is wrong is one clear line."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.cli import OPERATOR, Cli, Process, request_line

#: Nothing may come of any of these.
COMMANDS = (
    ("tasks", "list"),
    ("tasks", "show", "tsk_1"),
    ("tasks", "find", "film=1"),
    ("tasks", "explain", "tsk_1"),
    ("tasks", "cancel", "tsk_1", "tsk_2"),
    ("tasks", "cancel", "--all", "--yes"),
    ("tasks", "settle", "tsk_1", "--refused", "--yes"),
    ("tasks", "settle", "--look", "--yes"),
    ("tasks", "download", "tsk_1"),
    ("reconcile",),
    ("submit", "-"),
)


def _run(cli: Cli, *arguments: str) -> tuple[int, str]:
    """The status and the only line."""
    ended = cli.run(*arguments, stdin=request_line() if arguments[0] == "submit" else "")
    assert ended.out == ""
    assert "Traceback" not in ended.err
    (line,) = ended.err.splitlines()
    assert cli.files() == set()
    return ended.status, line


@pytest.fixture
def service(simulated: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    there = Cli(folder=tmp_path_factory.mktemp("service"), environment=simulated.environment)
    with there.running("serve", "--port", "0") as process:
        assert process.url
        yield process


def _key(service: Process, **fields: object) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    body = {"name": "one", "scopes": ["submit", "read", "operate"], **fields}
    made = httpx.post(f"{service.url}/v1/keys", headers=headers, json=body, trust_env=False, timeout=60)
    assert made.status_code == 201, made.text
    values: dict[str, str] = made.json()
    return values


def test_a_wrong_or_revoked_key_is_told_by_every_command(service: Process, cli: Cli) -> None:
    revoked = _key(service)
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    httpx.delete(f"{service.url}/v1/keys/{revoked['id']}", headers=headers, trust_env=False, timeout=60)
    for key in ("not-a-key-of-this-service", revoked["key"]):
        at = cli.with_settings(WHENFINAL_URL=service.url, WHENFINAL_API_KEY=key)
        commands = COMMANDS if key == revoked["key"] else COMMANDS[:1]
        for command in commands:
            assert _run(at, *command) == (1, f"whenfinal: {service.url}: The key is not valid here."), command


def test_a_key_without_the_scope_is_told_which_one_is_needed(service: Process, cli: Cli) -> None:
    at = cli.with_settings(WHENFINAL_URL=service.url, WHENFINAL_API_KEY=_key(service, scopes=["read"])["key"])
    for command in (("tasks", "cancel", "tsk_1", "tsk_2"), ("reconcile",), ("submit", "-")):
        status, line = _run(at, *command)
        assert (status, "This needs the scope " in line) == (1, True), command
    listed = at.run("tasks", "list")
    assert (listed.status, listed.out, listed.err) == (0, "no task matches\n", "")


def test_a_key_that_is_limited_to_another_provider_sees_and_submits_nothing(service: Process, cli: Cli) -> None:
    everything = cli.with_settings(WHENFINAL_URL=service.url, WHENFINAL_API_KEY=OPERATOR)
    (task,) = everything.run("submit", "-", "--json", stdin=request_line("x #simulate:stuck")).values
    key = _key(service, providers=["tokenbay"])["key"]
    at = cli.with_settings(WHENFINAL_URL=service.url, WHENFINAL_API_KEY=key)
    assert at.run("tasks", "list").out == "no task matches\n"
    for command in (("tasks", "show"), ("tasks", "cancel"), ("tasks", "explain"), ("reconcile",)):
        assert _run(at, *command, task["id"]) == (
            1,
            f"whenfinal: there is no task {task['id']}; see `whenfinal tasks list`",
        )
    refused = at.run("submit", "-", stdin=request_line())
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == "whenfinal: -:1: the key is limited to tokenbay\nwhenfinal: nothing was submitted\n"
    listed = everything.run("tasks", "list", "--json").values
    assert [value["id"] for value in listed] == [task["id"]]


def test_an_address_where_nothing_answers_is_named(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    at = cli.with_settings(WHENFINAL_API_KEY="k" * 40)
    status, line = _run(at, "tasks", "list", "--url", f"http://127.0.0.1:{port}")
    assert (status, line.startswith(f"whenfinal: http://127.0.0.1:{port}: no answer")) == (1, True)
    assert line.endswith("is it a whenfinal service of this version, and running?")


@pytest.mark.parametrize("url", ["nonsense", "ftp://a.example", "http://", "http://a b/", "http://a.example/?x=1"])
def test_an_address_that_is_none_is_wrong_usage(cli: Cli, url: str) -> None:
    at = cli.with_settings(WHENFINAL_API_KEY="k" * 40)
    ended = at.run("tasks", "list", "--url", url)
    assert (ended.status, ended.out, "Traceback" in ended.err) == (2, "", False)
    assert "--url: " in ended.err
    assert "WHENFINAL_URL" not in ended.err


def test_an_address_without_a_key_says_where_keys_come_from(cli: Cli) -> None:
    status, line = _run(cli, "tasks", "list", "--url", "http://127.0.0.1:9")
    assert (status, "WHENFINAL_API_KEY: it is not set" in line, "whenfinal keys create" in line) == (2, True, True)


def test_an_address_with_a_path_is_one_below_which_the_service_has_to_be(service: Process, cli: Cli) -> None:
    at = cli.with_settings(WHENFINAL_API_KEY=OPERATOR)
    assert at.run("tasks", "list", "--url", f"{service.url}/").status == 0
    status, line = _run(at, "tasks", "list", "--url", f"{service.url}/elsewhere")
    assert (status, "does not know this request; it is of another version" in line) == (1, True)


@contextmanager
def _answering(*bodies: bytes, kind: str = "application/json") -> Iterator[str]:
    """A server that answers every request with the next of these bodies, and then with the last one."""
    left = list(bodies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = left.pop(0) if len(left) > 1 else left[0]
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>It works!</html>", "text/html"),
        (b"{}", "application/json"),
        (b'{"tasks": [{"id": "tsk_1"}], "next_cursor": null}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"", "application/json"),
    ],
    ids=["a page", "nothing", "missing members", "deep", "no UTF-8", "empty"],
)
def test_a_server_of_another_kind_or_version_is_one_line(cli: Cli, body: bytes, kind: str) -> None:
    with _answering(body, kind=kind) as url:
        at = cli.with_settings(WHENFINAL_URL=url, WHENFINAL_API_KEY="k" * 40)
        status, line = _run(at, "tasks", "list")
        assert (status, url in line, "the answer" in line) == (1, True, True)
        assert _run(at, "submit", "-")[0] == 1


def test_times_and_members_that_this_version_does_not_know_are_no_trouble(cli: Cli) -> None:
    task: dict[str, object] = {
        "id": "tsk_1",
        "provider": "hiapi",
        "task_id": None,
        "model": None,
        "state": "running",
        "raw_state": "",
        "progress": None,
        "labels": {},
        "created_at": "some day",
        "submitted_at": None,
        "final_at": None,
        "deadline_at": None,
        "outputs": [],
        "error": None,
        "supersedes": None,
        "callback_expected": False,
        "polls": 0,
        "mood": "good",
    }
    with _answering(json.dumps({"tasks": [task], "next_cursor": None, "more": 1}).encode()) as url:
        at = cli.with_settings(WHENFINAL_URL=url, WHENFINAL_API_KEY="k" * 40)
        listed = at.run("tasks", "list")
    assert (listed.status, "some day" in listed.out, listed.err) == (0, True, "")

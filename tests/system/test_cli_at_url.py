"""What can be wrong with a service that a command is to work at: one line, and nothing is half done."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import OPERATOR, Cli, Ended
from tests.support.postgres import free_port

READER = "reader-key-of-these-tests-0123456789abc"

KEYS = f"op:submit+read+operate:{OPERATOR},reader:read:{READER}"

#: A command of each kind: it lists, shows, changes, runs an act, follows.
COMMANDS = [
    ("subscriptions", "list"),
    ("deliveries", "list", "--state", "dead"),
    ("events", "--after", "0"),
    ("events", "--follow"),
    ("providers", "list"),
    ("providers", "models"),
    ("counts",),
    ("runs", "list"),
    ("subscriptions", "create", "https://hooks.example/a"),
    ("deliveries", "redeliver", "--all", "--yes"),
    ("deliveries", "redeliver", "dlv_1", "dlv_2"),
    ("endpoints", "resume", "https://hooks.example"),
    ("replay", "sub_1", "--from-seq", "1", "--yes"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    accounts = {"HIAPI_API_KEY": "h" * 24, "TOKENBAY_API_KEY": "t" * 24}
    here = Cli(folder=tmp_path_factory.mktemp("service"), environment={"WHENFINAL_API_KEYS": KEYS, **accounts})
    with here.running("web", "--port", "0") as service:
        yield service.url


def _at(folder: Path, url: str, key: str = OPERATOR) -> Cli:
    return Cli(folder=folder, environment={"WHENFINAL_URL": url, "WHENFINAL_API_KEY": key})


def _is_one_line(ended: Ended, status: int) -> bool:
    return (ended.status, ended.out, ended.err.count("\n")) == (status, "", 1) and "Traceback" not in ended.err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_wrong_key_is_refused_to_every_command(tmp_path: Path, url: str, words: tuple[str, ...]) -> None:
    ended = _at(tmp_path, url, key="a-key-that-nobody-has-0123456789").run(*words)
    assert _is_one_line(ended, 1), ended
    assert ended.err.startswith(f"whenfinal: {url}: ")
    assert "a-key-that-nobody-has" not in ended.err
    assert "key" in ended.err


@pytest.mark.parametrize("words", COMMANDS[7:], ids=" ".join)
def test_a_key_that_may_only_read_changes_nothing(tmp_path: Path, url: str, words: tuple[str, ...]) -> None:
    ended = _at(tmp_path, url, key=READER).run(*words)
    assert _is_one_line(ended, 1), ended
    assert "operate" in ended.err
    listed = [_at(tmp_path, url).run(*listing, "--json") for listing in (("subscriptions", "list"), ("runs", "list"))]
    assert [(each.status, each.out) for each in listed] == [(0, "")] * 2


@pytest.mark.parametrize("words", [COMMANDS[0], COMMANDS[3], COMMANDS[8]], ids=" ".join)
def test_nobody_at_the_url_is_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = _at(tmp_path, url).run(*words)
    assert _is_one_line(ended, 1), ended
    assert ended.err.startswith(f"whenfinal: {url}: ")
    assert "is it a whenfinal service of this version, and running?" in ended.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WHENFINAL_URL": "http://127.0.0.1:1"}, "WHENFINAL_API_KEY"),
        ({"WHENFINAL_URL": "127.0.0.1:8000", "WHENFINAL_API_KEY": OPERATOR}, "WHENFINAL_URL"),
        ({"WHENFINAL_URL": "ftp://a.example", "WHENFINAL_API_KEY": OPERATOR}, "WHENFINAL_URL"),
    ],
)
def test_a_url_that_is_none_or_without_a_key_is_a_matter_of_the_settings(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    ended = Cli(folder=tmp_path, environment=settings).run("subscriptions", "list")
    assert _is_one_line(ended, 2), ended
    assert words in ended.err
    assert OPERATOR not in ended.err


@pytest.mark.parametrize("words", [("tasks", "list"), ("events",), ("runs", "list")], ids=" ".join)
def test_a_url_of_the_folder_gets_no_key_of_the_environment(tmp_path: Path, url: str, words: tuple[str, ...]) -> None:
    (tmp_path / ".env").write_text(f"WHENFINAL_URL={url}\n")
    ended = Cli(folder=tmp_path, environment={"WHENFINAL_API_KEY": OPERATOR}).run(*words)
    assert _is_one_line(ended, 2), ended
    assert "--url" in ended.err
    assert "WHENFINAL_URL" in ended.err
    assert OPERATOR not in ended.err


def test_a_url_of_the_folder_goes_with_the_key_of_the_folder_and_a_named_one_with_any(tmp_path: Path, url: str) -> None:
    wrong = {"WHENFINAL_API_KEY": "a-key-that-nobody-has-0123456789"}
    (tmp_path / ".env").write_text(f"WHENFINAL_URL={url}\nWHENFINAL_API_KEY={OPERATOR}\n")
    assert Cli(folder=tmp_path, environment=wrong).run("runs", "list").status == 0
    (tmp_path / ".env").write_text(f"WHENFINAL_URL={url}\nWHENFINAL_API_KEY=\n")
    assert Cli(folder=tmp_path, environment=wrong).run("runs", "list").status == 2  # a blank one is none
    (tmp_path / ".env").write_text("WHENFINAL_URL=http://127.0.0.1:9\n")
    here = Cli(folder=tmp_path, environment={"WHENFINAL_API_KEY": OPERATOR})
    assert here.run("runs", "list", "--url", url).status == 0
    assert here.with_settings(WHENFINAL_URL=url).run("runs", "list").status == 0
    (tmp_path / ".env").write_text(f"WHENFINAL_API_KEY={OPERATOR}\n")
    assert Cli(folder=tmp_path, environment={"WHENFINAL_URL": url}).run("runs", "list").status == 0


def test_the_option_goes_before_the_variable(tmp_path: Path, url: str) -> None:
    wrong = _at(tmp_path, "http://127.0.0.1:1")
    assert wrong.run("subscriptions", "list", "--url", url).out == "there is no subscription\n"
    assert wrong.run("runs", "list", "--url", url).out == "there is no run\n"


class _Other(http.server.BaseHTTPRequestHandler):
    """Another server: it answers every request with the status and body of its class."""

    status, kind, body = 200, "text/html", b"<html>hello</html>"

    def _answer(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of http.server
        """Say nothing."""


class _OlderVersion(_Other):
    status, kind = 404, "application/problem+json"
    body = b'{"type": "about:blank", "title": "x", "status": 404, "detail": "No such address; see /openapi.json."}'


class _OtherAnswers(_Other):
    kind, body = "application/json", b'{"items": []}'


class _NotFound(_Other):
    status = 404


@contextmanager
def _served(handler: type[_Other]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("handler", [_Other, _OlderVersion, _OtherAnswers, _NotFound])
@pytest.mark.parametrize("words", [COMMANDS[0], COMMANDS[6], COMMANDS[8], COMMANDS[10]], ids=" ".join)
def test_another_server_or_another_version_is_one_line(
    tmp_path: Path, handler: type[_Other], words: tuple[str, ...]
) -> None:
    with _served(handler) as url:
        ended = _at(tmp_path, url).run(*words)
    assert _is_one_line(ended, 1), ended
    assert url in ended.err
    assert "version" in ended.err


#: A command, its status, and what its one line says; `{}` is a subscription that is not limited.
OUTSIDE = [
    ("subscriptions show {}", 1, "there is no subscription {}"),
    ("subscriptions test {} sub_1", 1, "there is no subscription {}"),
    ("replay {} --from-seq 1 --yes", 1, "there is no subscription {}"),
    ("providers resume hiapi", 2, "hiapi is not configured; configured: tokenbay"),
    ("keys list", 1, "is limited; this is about the whole service"),
    ("keys create more --scope read", 1, "is limited; this is about the whole service"),
    ("runs list", 1, "is limited; this is about the whole service"),
    ("endpoints list", 1, "is limited; this is about the whole service"),
    ("doctor", 1, "is limited; this is about the whole service"),
]


def test_what_lies_outside_a_limited_key_is_as_if_it_were_not_there(tmp_path: Path, url: str) -> None:
    owner = _at(tmp_path, url)
    (made,) = owner.run("subscriptions", "create", "https://hooks.example/a", "--json").values
    try:
        flags = ("--scope", "read", "--scope", "operate", "--provider", "tokenbay")
        (key,) = owner.run("keys", "create", "film", *flags, "--json").values
        limited = _at(tmp_path, url, key=key["key"])
        for words, status, said in OUTSIDE:
            ended = limited.run(*words.format(made["id"]).split())
            assert (ended.status, ended.out) == (status, ""), words
            assert said.format(made["id"]) in ended.err, words
            assert "Traceback" not in ended.err
        assert limited.run("subscriptions", "list", "--json").out == ""
        assert [each["name"] for each in limited.run("providers", "list", "--json").values] == ["tokenbay"]
        revoked = owner.run("keys", "revoke", "film", "op", "nobody", "--yes", "--json")
        assert (revoked.status, [each["id"] for each in revoked.values]) == (1, [key["id"]])
        assert "op stands in WHENFINAL_API_KEYS" in revoked.err
        assert "there is no key nobody that works" in revoked.err
        assert key["key"] not in owner.run("keys", "list").out
        assert limited.run("subscriptions", "list").status == 1
    finally:
        assert owner.run("subscriptions", "delete", str(made["id"]), "--yes").status == 0


def test_a_key_is_created_inside_and_shown_once(tmp_path: Path) -> None:
    here = Cli(folder=tmp_path, environment={})
    made = here.run("keys", "create", "film", "--scope", "read", "--label", "film=1")
    (line,) = [line for line in made.out.splitlines() if line.startswith("key, shown only now: ")]
    (listed,) = here.run("keys", "list", "--json").values
    assert (listed["name"], listed["scopes"], listed["label"]) == ("film", ["read"], "film=1")
    assert line.split()[-1] not in here.run("keys", "list").out
    again = here.run("keys", "create", "film", "--scope", "read")
    assert (again.status, again.out, again.err.count("\n")) == (1, "", 1)
    assert here.run("keys", "create", "film").status == 2

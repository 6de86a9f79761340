"""The real command over a ledger on Postgres: the same commands, and one clear line when it can not be had."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.cli import API_KEYS, Cli
from tests.support.postgres import Databases, NoServer, Server, free_port, name_of, no_server, own_server

PASSWORD = "s@cret-word/of:guarded"  # every character that a URL must escape
WRITTEN = "s%40cret-word%2Fof%3Aguarded"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        with own_server() as found:
            found.run(f"CREATE ROLE guarded LOGIN CREATEDB PASSWORD '{PASSWORD}'")
            yield found
    except NoServer as error:
        pytest.skip(no_server(error))


@pytest.fixture
def url(server: Server) -> str:
    """An empty database of the role that must show a password."""
    made = Databases(url=server.url).make()
    server.run(f"ALTER DATABASE {name_of(made)} OWNER TO guarded")
    return urlsplit(made)._replace(netloc=f"guarded:{WRITTEN}@127.0.0.1:{server.port}").geturl()


def _over(cli: Cli, url: str) -> Cli:
    return cli.with_settings(WHENFINAL_DATABASE_URL=url, WHENFINAL_API_KEYS=API_KEYS)


def test_a_ledger_is_made_served_read_and_examined(cli: Cli, server: Server, url: str) -> None:
    there = _over(cli, url)
    shown = f"database {name_of(url)} at 127.0.0.1:{server.port}"
    behind = there.run("tasks", "list")
    assert behind.status == 1
    assert "run `whenfinal migrate`" in behind.err
    assert there.run("migrate").err.splitlines() == [f"the ledger {shown} is up to date"]
    with there.running("serve", "--port", "0") as process:
        assert shown in process.line_with("serving ")
        assert there.run("tasks", "list", "--json").status == 0
        assert process.stop() == 0
    examined = there.run("doctor", "--offline", "--json").values[0]["checks"]
    assert f"{shown} opens and can be written" in [check["what"] for check in examined]
    assert there.files() == set()


def _unopened(server: Server, url: str) -> dict[str, tuple[str, str, str]]:
    """Case → URL, what the one line says, and what the doctor advises."""
    parts = urlsplit(url)
    gone = parts._replace(netloc=f"guarded:{WRITTEN}@127.0.0.1:{free_port()}").geturl()
    return {
        "wrong password": (url.replace("word", "ward"), "password authentication failed", "user and password"),
        "nobody there": (gone, "Connection refused", "check that Postgres runs there"),
        "no such host": (url.replace("127.0.0.1", "db.invalid"), "db.invalid", "check that Postgres runs there"),
        "no such database": (url + "x", "does not exist", "createdb"),
        "an option of nobody's": (url + "?colour=red", "not one that Postgres understands", "%25"),
        "another encoding": (_in_latin(server, url), "must be UTF8", "createdb -E UTF8"),
    }


def _in_latin(server: Server, url: str) -> str:
    name = f"{name_of(url)}_latin"
    with closing(psycopg.connect(server.url, autocommit=True)) as connection:
        made = f"CREATE DATABASE {name} OWNER guarded TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(made.encode())
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.mark.parametrize(
    "case",
    [
        "wrong password",
        "nobody there",
        "no such host",
        "no such database",
        "an option of nobody's",
        "another encoding",
    ],
)
def test_a_database_that_can_not_be_opened_is_one_line_and_a_hint_without_the_password(
    cli: Cli, server: Server, url: str, case: str
) -> None:
    given, words, advice = _unopened(server, url)[case]
    ended = _over(cli, given).run("migrate")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended.err
    assert words in ended.err
    assert "whenfinal doctor" in ended.err
    examined = _over(cli, given).run("doctor", "--offline", "--json")
    assert examined.status == 1
    (check,) = [check for check in examined.values[0]["checks"] if check["name"] == "database"]
    assert words in check["what"]
    assert advice in check["cure"]
    printed = ended.err + examined.out + examined.err
    assert not any(secret in printed for secret in (PASSWORD, WRITTEN, "cret-word", "cret-ward"))


@pytest.mark.parametrize("arguments", [("migrate",), ("doctor", "--offline")])
def test_a_url_that_names_no_database_is_a_matter_of_the_settings(cli: Cli, arguments: tuple[str, ...]) -> None:
    ended = _over(cli, "postgresql://ann:secret-word@db.example").run(*arguments)
    assert ended.status == (2 if arguments == ("migrate",) else 1)
    assert "WHENFINAL_DATABASE_URL" in ended.err + ended.out
    assert "secret-word" not in ended.err + ended.out

"""Every long-running process is notified of the others' commits, and stops as cleanly as without."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.support.cli import Cli
from tests.support.postgres import Databases


@pytest.fixture(name="url")
def _url(databases: Databases) -> Iterator[str]:
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("web", "--port", "0"), ("worker",)], ids=" ".join)
def test_it_listens_from_its_start_to_its_stop(cli: Cli, url: str, command: tuple[str, ...]) -> None:
    with cli.with_settings(WHENFINAL_DATABASE_URL=url).running(*command) as process:
        process.line_with(" listening")
        with closing(psycopg.connect(url, autocommit=True)) as server:
            cut = server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            ).fetchall()
        assert cut == [(True,)]
        process.line_with(" not_listening")
        assert process.stop() == 0


def test_where_nothing_can_be_heard_it_works_on_and_says_so_without_the_password(cli: Cli, url: str) -> None:
    away = "postgresql://ann:hush-hush@127.0.0.1:9/ledger"
    settings = {"WHENFINAL_DATABASE_URL": url, "WHENFINAL_DATABASE_LISTEN_URL": away}
    with cli.with_settings(**settings).running("serve", "--port", "0") as process:
        assert "polling" in process.line_with(" not_listening")
        assert process.url
        assert process.stop() == 0
        assert not any("hush" in line for line in process.lines)

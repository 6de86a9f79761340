"""`whenfinal doctor`: on an empty machine, a broken one and a well one."""

import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from tests.support.cli import API_KEYS, OPERATOR, Cli, at_service

PROVIDERS = ("hiapi", "dashscope", "modellix", "modelstream", "tokenbay")


def _levels(cli: Cli, *flags: str) -> dict[str, str]:
    """The gravest level by name."""
    order = ("ok", "warn", "fail")
    found: dict[str, str] = {}
    for check in json.loads(cli.run("doctor", "--json", *flags).out)["checks"]:
        found[check["name"]] = max(found.get(check["name"], "ok"), check["level"], key=order.index)
    return found


def test_an_empty_machine_is_told_what_to_set_and_stays_empty(cli: Cli) -> None:
    ended = cli.run("doctor")
    assert (ended.status, ended.err) == (1, "")
    assert "HIAPI_API_KEY" in ended.out
    assert "WHENFINAL_PUBLIC_URL" in ended.out
    assert len(ended.out.splitlines()) <= 12
    assert cli.files() == set()


def test_every_wrong_setting_is_named_with_its_hint(cli: Cli) -> None:
    broken = cli.with_settings(WHENFINAL_LEASE_S="x", HIAPI_API_KEY="a b", WHENFINAL_PUBLC_URL="y")
    ended = broken.run("doctor", "--json")
    checks = json.loads(ended.out)["checks"]
    assert ended.status == 1
    assert sum(check["name"] == "settings" and check["cure"] != "" for check in checks) == 3
    assert "a b" not in ended.out


def test_a_slip_in_the_only_key_is_named_with_the_right_name(cli: Cli) -> None:
    ended = cli.with_settings(HIAPI_APIKEY="the-key-itself").run("doctor", "--offline")
    assert ended.status == 1
    assert "did you mean HIAPI_API_KEY?" in ended.out
    assert "the-key-itself" not in ended.out


def test_simulated_providers_take_their_keys(simulated: Cli) -> None:
    levels = _levels(simulated)
    assert {levels[name] for name in PROVIDERS} == {"ok"}
    assert (levels["clock"], levels["database"]) == ("ok", "ok")
    assert simulated.run("doctor").status == 0


def test_a_wrong_key_is_refused_by_each_provider_and_never_shown(simulated: Cli) -> None:
    wrong = simulated.with_settings(**{f"{name.upper()}_API_KEY": "not-the-right-key-at-all" for name in PROVIDERS})
    ended = wrong.run("doctor")
    assert ended.status == 1
    assert all(f"set {name.upper()}_API_KEY" in ended.out for name in PROVIDERS)
    assert "not-the-right-key-at-all" not in ended.out + ended.err


def test_a_provider_that_is_not_there_is_a_matter_of_the_network(simulated: Cli) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = simulated.with_settings(HIAPI_BASE_URL=f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert _levels(away)["hiapi"] == "fail"
        assert _levels(away, "--offline").get("hiapi") != "fail"


def test_a_database_that_can_not_be_used_is_named_with_its_hint(simulated: Cli) -> None:
    (simulated.folder / "whenfinal.db").write_text("this is not a database, only words that stand in its place")
    ended = simulated.run("doctor", "--offline")
    assert ended.status == 1
    assert "file is not a database" in ended.out
    away = simulated.with_settings(WHENFINAL_DATABASE_URL="sqlite:///nowhere/ledger.db")
    assert "is not a folder" in away.run("doctor", "--offline").out


def test_a_public_url_that_answers_is_well_and_one_that_does_not_is_a_warning(simulated: Cli) -> None:
    with simulated.running("serve", "--port", "0") as server:
        here = simulated.with_settings(WHENFINAL_PUBLIC_URL=server.url)
        assert _levels(here)["public URL"] == "ok"
        assert server.stop() == 0
    assert _levels(here)["public URL"] == "warn"


def test_short_keys_are_a_warning(simulated: Cli) -> None:
    short = simulated.with_settings(WHENFINAL_SECRET_KEYS="a" * 20, WHENFINAL_API_KEYS=f"x:read:{'b' * 20}")
    levels = _levels(short, "--offline")
    assert (levels["secret keys"], levels["API keys"]) == ("warn", "warn")


def test_uncertain_tasks_are_pointed_at(simulated: Cli) -> None:
    wanted = '{"provider": "tokenbay", "video": {"model": "happyhorse-1.0-t2v", "prompt": "#simulate:reply_lost"}}'
    simulated.run("submit", "-", stdin=wanted)
    assert _levels(simulated, "--offline")["uncertain"] == "warn"
    (uncertain,) = [
        check
        for check in json.loads(simulated.run("doctor", "--json", "--offline").out)["checks"]
        if check["name"] == "uncertain"
    ]
    assert (uncertain["count"], uncertain["since_at"] is None) == (1, False)
    assert "tasks list --state uncertain" in uncertain["cure"]


def test_warnings_fail_where_that_is_asked_for(simulated: Cli) -> None:
    assert simulated.run("migrate").status == 0
    assert _levels(simulated, "--offline")["backup"] == "warn"
    assert simulated.run("doctor", "--offline").status == 0
    assert simulated.run("doctor", "--offline", "--fail-on", "fail").status == 0
    assert simulated.run("doctor", "--offline", "--fail-on", "warn").status == 1
    wrong = simulated.run("doctor", "--offline", "--fail-on", "ok")
    assert (wrong.status, "--fail-on" in wrong.err) == (2, True)


def test_a_ledger_that_others_may_open_is_warned_of_and_keeps_its_mode(cli: Cli) -> None:
    assert cli.run("migrate").status == 0
    assert _levels(cli, "--offline")["database"] == "ok"
    for mode in (0o640, 0o604, 0o700):
        (cli.folder / "whenfinal.db").chmod(mode)
        assert _levels(cli, "--offline")["database"] == "warn"
        assert "chmod 600 whenfinal.db" in cli.run("doctor", "--offline").out
        assert (cli.folder / "whenfinal.db").stat().st_mode & 0o777 == mode


def test_a_ledger_of_a_newer_version_is_said_by_every_command_and_changed_by_none(cli: Cli) -> None:
    assert cli.run("migrate").status == 0
    with closing(sqlite3.connect(cli.folder / "whenfinal.db")) as file:
        file.execute("INSERT INTO migrations VALUES ('9999_flying', 1)")
        file.commit()
    for command in (("serve", "--port", "0"), ("worker",), ("migrate",)):
        ended = cli.run(*command)
        assert (ended.status, len(ended.err.splitlines())) == (1, 1), command
        assert "newer version, which made 9999_flying" in ended.err
    checks = json.loads(cli.run("doctor", "--offline", "--json").out)["checks"]
    (database,) = (each for each in checks if each["name"] == "database")
    assert (database["level"], "9999_flying" in database["what"]) == ("fail", True)
    assert "restore the backup from before the update" in database["cure"]


def test_a_ledger_that_has_stepped_back_is_shown_by_doctor_and_by_the_probe(cli: Cli) -> None:
    cli = cli.with_settings(WHENFINAL_API_KEYS=API_KEYS)
    assert cli.run("migrate").status == 0
    (cli.folder / "whenfinal.db.seq").write_text('{"events": 9, "task": "tsk_z"}')
    with cli.running("serve", "--port", "0") as server:
        ready = httpx.get(f"{server.url}/readyz", headers={"Authorization": f"Bearer {OPERATOR}"})
        assert "ledger has lost its newest part" in ready.json()["note"]
        server.line_with("stepped")
        assert server.stop() == 0
    ended = cli.run("doctor", "--offline")
    assert "what was stored after event 0 is gone" in ended.out
    assert _levels(cli, "--offline")["database"] == "warn"


def test_at_a_service_its_own_checks_are_shown(simulated: Cli, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wanted = '{"provider": "tokenbay", "video": {"model": "happyhorse-1.0-t2v", "prompt": "#simulate:reply_lost"}}'
    simulated.run("submit", "-", stdin=wanted)
    with at_service(simulated, "web", folder=elsewhere) as there:
        levels = _levels(there)
        assert {levels[name] for name in PROVIDERS} == {"ok"}
        assert (levels["clock"], levels["database"], levels["uncertain"]) == ("ok", "ok", "warn")
        (uncertain,) = [
            check for check in there.run("doctor", "--json").values[0]["checks"] if check["name"] == "uncertain"
        ]
        assert (uncertain["count"], bool(uncertain["since_at"])) == (1, True)
        local = simulated.run("doctor", "--offline").out
        remote = there.run("doctor", "--offline").out
        assert [line.split()[:2] for line in remote.splitlines()] == [line.split()[:2] for line in local.splitlines()]
        assert there.run("doctor", "--fail-on", "warn").status == 1
        assert (there.run("doctor").status, there.files()) == (0, set())
        unfit = there.with_settings(WHENFINAL_API_KEY="a-key-that-nobody-has-0123456789").run("doctor")
        assert (unfit.status, unfit.out, unfit.err.count("\n")) == (1, "", 1)
        nowhere = there.run("doctor", "--url", "nowhere")
        assert (nowhere.status, nowhere.out, nowhere.err.count("\n")) == (2, "", 1)


def test_a_warning_is_a_failure_where_that_is_wanted(cli: Cli) -> None:
    settings = cli.with_settings(HIAPI_API_KEY="k" * 20)
    assert settings.run("doctor", "--offline").status == 0
    assert settings.run("doctor", "--offline", "--fail-on", "warn").status == 1

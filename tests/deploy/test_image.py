"""The Dockerfile: what it says, and each of its steps on this machine, without a container engine."""

import pytest

from tests.support import container
from tests.support.container import Image
from tests.support.image_file import DOCKERFILE, Instruction, context, copied, exec_form, read_stages

STAGES = read_stages(DOCKERFILE.read_text(encoding="utf-8"))
FINAL = STAGES[-1]
_WHY_NOT = container.why_not()
in_a_container = pytest.mark.skipif(_WHY_NOT is not None, reason=f"no container: {_WHY_NOT}")
KEYS = "test:submit+read+operate:a-key-of-these-tests-0123456789"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    return container.build(folder)


@pytest.fixture(autouse=True)
def _with_an_empty_volume(request: pytest.FixtureRequest) -> None:
    if "image" in request.fixturenames:
        image: Image = request.getfixturevalue("image")
        for path in (image.folder / "lib/whenfinal").iterdir():
            path.unlink()


@pytest.mark.parametrize("step", [step for stage in STAGES for step in stage.steps if step.word == "COPY"])
def test_what_is_copied_is_in_the_checkout_and_seen_by_the_build(step: Instruction) -> None:
    stage, sources, _ = copied(step)
    if stage is not None:
        assert stage in {each.name for each in STAGES}
        return
    for source in sources:
        assert any(name == source or name.startswith(f"{source}/") for name in context()), source


def test_the_build_sees_nothing_else_of_the_checkout() -> None:
    tops = {name.split("/")[0] for name in context()}
    assert tops == {"LICENSE", "README.md", "pyproject.toml", "receiver", "scripts", "submitter"}
    assert {name for name in context() if name.startswith("scripts/")} == {
        "scripts/locked.py",
        "scripts/requirements.lock",
    }


def test_bases_have_a_version_and_stages_the_same_one() -> None:
    (base,) = {stage.base for stage in STAGES}
    assert base.startswith("python:3.")


def test_the_user_is_a_number_and_not_root() -> None:
    user, _, group = FINAL.last("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_command_gets_the_signals_itself() -> None:
    assert FINAL.command()[:2] == ["whenfinal", "serve"]
    assert FINAL.last("STOPSIGNAL") == "SIGTERM"
    assert FINAL.health_check()[0] == "python"
    with pytest.raises(ValueError, match="Expecting value"):
        exec_form("whenfinal serve")


@in_a_container
def test_the_image_has_the_service_with_its_extras_and_no_tool(image: Image) -> None:
    listed = image.run("python", "-c", "import psycopg, opentelemetry.sdk, receiver.web.app; print('all there')")
    assert (listed.returncode, listed.stdout) == (0, "all there\n"), listed.stderr
    for tool in ("pytest", "mypy", "pip", "setuptools", "hatchling", "playwright"):
        assert image.run("python", "-c", f"import {tool}").returncode == 1, tool


@in_a_container
def test_it_serves_on_a_read_only_file_system_as_process_1_and_ends_well_on_sigterm(image: Image) -> None:
    with image.running(*FINAL.command(), WHENFINAL_API_KEYS=KEYS) as running:
        running.says("serving http://0.0.0.0:8000")
        assert running.execute(*FINAL.health_check()).returncode == 0
        identity = running.execute("id", "-u")
        assert identity.stdout == "10001\n"
        for place in ("/tmp", "/srv/whenfinal", "/var/tmp", "/run", "/dev/shm", "/etc", "/usr/local"):
            refused = running.execute("touch", f"{place}/written")
            assert refused.returncode == 1, place
        assert running.stop() == 0
        assert "Traceback" not in running.text()
    written = sorted(path.name for path in (image.folder / "lib/whenfinal").iterdir())
    assert written == ["whenfinal.db", "whenfinal.db.seq"]


@in_a_container
def test_the_health_check_fails_where_nothing_answers(image: Image) -> None:
    with image.running("whenfinal", "worker", WHENFINAL_API_KEYS=KEYS) as running:
        running.says("working;")
        assert running.execute(*FINAL.health_check()).returncode == 1
        assert running.stop() == 0


@in_a_container
def test_a_ledger_is_migrated_copied_and_sorted_with_the_volume_alone(image: Image) -> None:
    assert image.run("whenfinal", "migrate").returncode == 0
    copy = image.run("whenfinal", "backup", "copy.db")
    assert (copy.returncode, copy.stdout) == (0, ""), copy.stderr
    sort = (
        "import os, sqlite3\n"
        "file = sqlite3.connect('large.db')\n"
        "file.execute('CREATE TABLE rows (text)')\n"
        "file.executemany('INSERT INTO rows VALUES (?)', ((os.urandom(400).hex(),) for _ in range(60000)))\n"
        "file.execute('CREATE INDEX sorted ON rows (text)')\n"
    )
    assert image.run("python", "-c", sort).returncode == 0
    elsewhere = ("env", "--unset=SQLITE_TMPDIR", "--chdir=/")
    without = image.run(*elsewhere, "python", "-c", sort.replace("large.db", "/var/lib/whenfinal/other.db"))
    assert "disk I/O error" in without.stderr

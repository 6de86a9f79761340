"""The wheel is what people install: built, installed with its own dependencies alone, run away from the checkout."""

import re
import zipfile
from pathlib import Path

import pytest

from tests.support.wheels import ROOT, build_wheel, install_wheel, run

#: What the extras `postgres` and `otel` are for.
NEED_AN_EXTRA = {
    "receiver.runtime.tracing",
    *(
        f"receiver.store.{name}"
        for name in ("postgres", "postgres_listener", "postgres_pool", "postgres_server", "transfer.postgres")
    ),
}
IMPORT_EACH = """
from importlib import import_module
for name in {modules}:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("psycopg", "opentelemetry"):
            raise
        print(name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment that holds the wheel, and of the lock only what the wheel asks for."""
    return install_wheel(wheel, tmp_path_factory.mktemp("environment"))


#: Of the client alone, which `test_client_wheel` builds.
OF_THE_CLIENT = {"submitter/LICENSE", "submitter/pyproject.toml"}


def _package_files_of_the_checkout() -> set[str]:
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "receiver", "submitter")
    names = {name for name in run(*listing, cwd=ROOT).split("\0") if name and (ROOT / name).is_file()}
    assert names >= OF_THE_CLIENT
    return names - OF_THE_CLIENT


def test_the_wheel_holds_the_two_packages_whole_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == _package_files_of_the_checkout()


def test_the_wheel_holds_its_statements_migrations_and_type_marks(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"receiver/py.typed", "submitter/py.typed", "receiver/store/queries/tasks.sql"} <= names
    assert any(re.fullmatch(r"receiver/store/migrations/\d+\w*\.sql", name) for name in names)


def test_the_wheel_holds_the_licence_and_names_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        (licence,) = (name for name in files.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
        assert files.read(licence) == (ROOT / "LICENSE").read_bytes()
        metadata = files.read(licence.removesuffix("licenses/LICENSE") + "METADATA").decode()
    assert {"License-Expression: MIT", "License-File: LICENSE"} <= set(metadata.splitlines())


def test_the_installed_command_answers_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "whenfinal", "--help", cwd=tmp_path)
    assert "serve" in said
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_makes_its_database_from_its_own_migrations(installed: Path, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    run("env", f"WHENFINAL_DATABASE_URL=sqlite:///{database}", installed / "whenfinal", "migrate", cwd=tmp_path)
    assert database.stat().st_size > 0


def test_every_module_imports_with_the_dependencies_of_the_wheel_alone_but_those_of_an_extra(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    files = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py") and "__main__" not in name]
    modules = sorted(name[:-3].replace("/", ".").removesuffix(".__init__") for name in files)
    (tmp_path / "every.py").write_text(IMPORT_EACH.format(modules=modules))
    assert run(installed / "python", "every.py", cwd=tmp_path).split() == sorted(NEED_AN_EXTRA)
    assert set(modules) > NEED_AN_EXTRA


def test_the_installed_dependencies_agree_with_each_other(installed: Path, tmp_path: Path) -> None:
    assert "No broken requirements" in run(installed / "python", "-m", "pip", "check", cwd=tmp_path)

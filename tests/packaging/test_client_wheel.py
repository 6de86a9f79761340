"""The client installs and runs without the service: built, installed alone, and its samples run against a service."""

import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import README, SUBMITTER, fences
from tests.support.cli import API_KEYS, OPERATOR, Cli, read_settings
from tests.support.wheels import ROOT, build_wheel, install_wheel, run

#: Those that it names, and what they need.
NEEDS = {
    *("annotated-types", "anyio", "certifi", "cffi", "cryptography", "h11", "httpcore", "httpx", "idna", "pip"),
    *("pycparser", "pydantic", "pydantic-core", "setuptools", "typing-extensions", "typing-inspection"),
    "whenfinal-client",
}
STANDARD_URL = "http://127.0.0.1:8000"
EVERY_MODULE = """
import importlib, pkgutil, submitter
for each in pkgutil.walk_packages(submitter.__path__, "submitter."):
    importlib.import_module(each.name)
    print(each.name)
"""


def _section(page: Path, heading: str) -> str:
    return page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "submitter", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds the wheel and what it asks for, in the versions of the lock."""
    return install_wheel(wheel, tmp_path_factory.mktemp("environment")) / "python"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A service over the simulated platforms."""
    cli = Cli(folder=tmp_path)
    with cli.running("simulate", "--port", "0", "--speed", "400") as simulator:
        settings = read_settings(simulator) | {"WHENFINAL_API_KEYS": API_KEYS}
        del settings["WHENFINAL_PUBLIC_URL"]
        with cli.with_settings(**settings).running("serve", "--port", "0") as server:
            yield server.url


def test_the_wheel_holds_the_client_its_licence_and_nothing_of_the_providers(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"submitter/client/sync_client.py", "submitter/http/messages.py", "submitter/py.typed"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    places = (
        "submitter/providers",
        "submitter/simulator",
        "submitter/http/transport",
        "submitter/pyproject",
        "receiver",
    )
    assert [name for name in names if name.startswith(places)] == []


def test_it_brings_only_what_it_names_and_all_of_it_imports(python: Path, tmp_path: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check", cwd=tmp_path)
    assert {line.partition("==")[0].lower().replace("_", "-") for line in listed.splitlines()} <= NEEDS
    assert "submitter.client.sync_client" in run(python, "-W", "error", "-c", EVERY_MODULE, cwd=tmp_path).split()
    assert "No broken requirements" in run(python, "-m", "pip", "check", cwd=tmp_path)


def test_the_sample_of_each_client_runs_against_a_service(python: Path, url: str, tmp_path: Path) -> None:
    (plain,), (follower,) = (
        fences(_section(README, "Python client"), "python"),
        fences(_section(SUBMITTER, "The client"), "python"),
    )
    done = run(python, "-c", plain.replace(STANDARD_URL, url), cwd=tmp_path, KEY=OPERATOR)
    assert done.startswith("succeeded ['http://")
    following = follower.replace(STANDARD_URL, url)
    with subprocess.Popen([python, "-c", following], env={"KEY": OPERATOR}, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        assert it.stdout.readline().startswith("1 task.succeeded tsk_")
        it.kill()


def test_both_packages_have_one_version_one_licence_and_one_need_of_each_library() -> None:
    service, client = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in (ROOT, ROOT / "submitter")
    )
    assert client["version"] == service["version"]
    assert set(client["dependencies"]) <= set(service["dependencies"])
    assert (ROOT / "submitter/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()

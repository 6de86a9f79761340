"""The samples for Compose, Kubernetes and systemd: read whole, and compared with what they start."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from receiver.cli.command_list import COMMANDS
from receiver.cli.program import build
from receiver.config.environment import list_settings
from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.runtime.env_file import read_env_file
from receiver.web.routes import ROUTES
from receiver.web.server import LAST_REQUESTS_S, SPARE_FILES
from tests.support.cli import TIMEOUT_S, WHENFINAL, Cli
from tests.support.image_file import DOCKERFILE, read_stages
from tests.support.unit_file import allowed_calls, settings_of

DEPLOY = Path(__file__).resolve().parents[2] / ".github/deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS: dict[str, Any] = {name: each for name, each in COMPOSE["services"].items() if name != "postgres"}
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
PODS = [each["spec"]["template"] for each in OBJECTS if each["kind"] in {"Deployment", "Job"}]
CONTAINERS = [container for pod in PODS for container in pod["spec"]["containers"]]
UNITS = sorted(DEPLOY.glob("*.service"))
IMAGE_USER, IMAGE_GROUP = read_stages(DOCKERFILE.read_text(encoding="utf-8"))[-1].last("USER").split(":")
SETTINGS = {each.env for each in list_settings(Settings)}
#: Read by uvicorn, SQLite and Python.
OF_OTHERS = {"FORWARDED_ALLOW_IPS", "SQLITE_TMPDIR", "PYTHONDONTWRITEBYTECODE"}


def _is_a_command(words: Sequence[str]) -> bool:
    """Whether the command line takes these words; typer raises for others."""
    found: object = get_command(build([word for each, *_ in COMMANDS for word in each.split()]))
    rest = list(words)
    while isinstance(found, TyperGroup):
        found = found.get_command(Context(found), rest.pop(0))
    assert isinstance(found, TyperCommand), words
    found.make_context(found.name, rest)
    return True


def _example(name: str, **filled: str) -> dict[str, str]:
    values, problems = read_env_file(DEPLOY / name)
    assert problems == ()
    return values | filled


def test_the_example_of_the_settings_is_read_once_it_is_filled_in() -> None:
    given = _example("compose.env.example", HIAPI_API_KEY="a-key")
    given["WHENFINAL_API_KEYS"] = re.sub(r"KEY", lambda found: f"key-{found.start():024}", given["WHENFINAL_API_KEYS"])
    settings = Settings.from_mapping(given)
    assert settings.database.url.endswith("@postgres/whenfinal")
    assert [key.name for key in settings.api.keys] == ["pipeline", "operator", "prometheus"]
    postgres = _example("postgres.env.example")
    assert (
        settings.database.url == f"postgresql://{postgres['POSTGRES_USER']}:PASSWORD@postgres/{postgres['POSTGRES_DB']}"
    )


def test_filled_in_examples_are_kept_out_of_git() -> None:
    for name in ("compose.env", "postgres.env"):
        path = f".github/deploy/{name}"
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=DEPLOY.parents[1], check=False).returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_compose_starts_a_command_with_settings_that_are_there(name: str) -> None:
    service = OURS[name]
    assert _is_a_command(service["command"])
    assert set(service.get("environment", {})) <= SETTINGS
    assert (service["env_file"], service["read_only"], service["cap_drop"]) == ("compose.env", True, ["ALL"])
    assert int(service["stop_grace_period"].removesuffix("s")) > LAST_REQUESTS_S
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILE


def test_compose_migrates_before_two_web_processes_and_a_worker_that_is_looked_at_start() -> None:
    assert OURS["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert OURS[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert OURS["web"]["deploy"] == {"replicas": 2}
    assert OURS["web"]["ports"] == ["127.0.0.1:8000-8001:8000"]
    port = OURS["worker"]["environment"]["WHENFINAL_METRICS_PORT"]
    test = OURS["worker"]["healthcheck"]["test"]
    assert test[0] == "CMD"
    assert f"('127.0.0.1', {port})" in test[-1]


def test_docker_compose_reads_the_sample(tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
    folder = tmp_path / ".github/deploy"
    folder.mkdir(parents=True)
    shutil.copy(DOCKERFILE, folder.parent)
    for name in ("compose", "postgres"):
        shutil.copy(DEPLOY / f"{name}.env.example", folder / f"{name}.env")
    shutil.copy(DEPLOY / "compose.yaml", folder)
    command = ["docker-compose", "--file", str(folder / "compose.yaml"), "config", "--quiet"]
    read = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["metadata"]["labels"]["part"])
def test_a_pod_has_no_right_that_it_does_not_need(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False)
    user = spec["securityContext"]
    assert (user["runAsNonRoot"], str(user["runAsUser"]), str(user["runAsGroup"])) == (True, IMAGE_USER, IMAGE_GROUP)
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_what_kubernetes_sets_for_a_service_is_passed_over_but_for_one_named_like_a_setting() -> None:
    """So `enableServiceLinks` is off."""
    address = "tcp://10.96.0.7:9100"
    links = {"WHENFINAL_PORT": address, "WHENFINAL_SERVICE_HOST": "10.96.0.7"}
    assert Settings.from_mapping(links) == Settings.from_mapping({})
    with pytest.raises(ConfigError, match="WHENFINAL_METRICS_PORT"):
        Settings.from_mapping({"WHENFINAL_METRICS_PORT": address})


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each["name"])
def test_a_container_of_kubernetes_starts_a_command_and_is_probed_where_it_answers(container: dict[str, Any]) -> None:
    assert _is_a_command(container["args"])
    assert {each["name"] for each in container.get("env", [])} <= SETTINGS
    ports = {each["name"] for each in container.get("ports", [])}
    paths = {route.path for route in ROUTES if route.method == "GET"}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container.get(name, {})
        if "httpGet" in probe:
            assert probe["httpGet"]["path"] in paths
            assert probe["httpGet"]["port"] in ports
        if "tcpSocket" in probe:
            assert probe["tcpSocket"]["port"] in ports


def test_the_objects_of_kubernetes_belong_together() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS]
    selectors = [found for each in OBJECTS for found in _selectors(each)]
    assert len(selectors) == 5
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    for deployment in (each for each in OBJECTS if each["kind"] == "Deployment"):
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > LAST_REQUESTS_S + 5
    (ingress,) = (each for each in OBJECTS if each["kind"] == "Ingress")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["backend"]["service"]["name"]) == ("/callbacks/", "whenfinal")


def _selectors(each: dict[str, Any]) -> Iterator[dict[str, str]]:
    spec = each["spec"]
    for name in ("selector", "podSelector"):
        if name in spec:
            yield spec[name].get("matchLabels", spec[name])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_sets_what_is_there_and_writes_in_its_own_folders_alone(unit: Path) -> None:
    settings = settings_of(unit)
    variables = dict(value.split("=", 1) for name, value in settings if name == "Environment")
    assert set(variables) <= SETTINGS | OF_OTHERS
    one = dict(settings)
    assert variables["WHENFINAL_DATABASE_URL"] == "sqlite:////var/lib/whenfinal/whenfinal.db"
    assert "whenfinal" in one["StateDirectory"].split()
    assert (one["ProtectSystem"], one["NoNewPrivileges"], one["CapabilityBoundingSet"]) == ("strict", "yes", "")


def test_the_unit_of_the_service_leaves_time_and_files_enough() -> None:
    one = dict(settings_of(DEPLOY / "whenfinal.service"))
    program, *words = shlex.split(one["ExecStart"])
    assert program.endswith("/whenfinal")
    assert _is_a_command(words)
    assert int(one["TimeoutStopSec"]) > LAST_REQUESTS_S
    assert int(one["LimitNOFILE"]) >= Settings.from_mapping({}).streams.max_streams + SPARE_FILES


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_reads_the_units_without_a_word(tmp_path: Path) -> None:
    names = [*UNITS, DEPLOY / "whenfinal-backup.timer"]
    for path in names:
        text = path.read_text(encoding="utf-8").replace("/srv/whenfinal/bin/whenfinal", str(WHENFINAL))
        (tmp_path / path.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in names)]
    read = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


def test_the_command_of_the_backup_unit_makes_a_copy_named_by_its_time(cli: Cli, tmp_path: Path) -> None:
    one = dict(settings_of(DEPLOY / "whenfinal-backup.service"))
    shell, option, script = shlex.split(one["ExecStart"].replace("%%", "%").replace("$$", "$"))
    (tmp_path / "whenfinal-backups").mkdir()
    here = script.replace("/var/lib/", f"{tmp_path}/").replace("/srv/whenfinal/bin/whenfinal", str(WHENFINAL))
    assert cli.run("migrate").status == 0
    made = subprocess.run(
        [shell, option, here],
        cwd=cli.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert made.returncode == 0, made.stderr
    (copy,) = (tmp_path / "whenfinal-backups").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}\.db", copy.name)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or shutil.which("strace") is None,
    reason="systemd-analyze or strace is not installed (Debian: apt-get install strace)",
)
def test_the_service_makes_no_system_call_that_its_unit_forbids(cli: Cli, tmp_path: Path) -> None:
    traced = cli.with_prefix("strace", "-f", "-qq", "-o", str(tmp_path / "calls"))
    with traced.running("serve", "--port", "0") as server:
        assert server.url
        children = Path(f"/proc/{server.popen.pid}/task/{server.popen.pid}/children").read_text().split()
        subprocess.run(["kill", "-TERM", *children], check=True)
        assert server.popen.wait(TIMEOUT_S) == 0
    made = set(re.findall(r"^\d+ +(\w+)\(", (tmp_path / "calls").read_text(errors="replace"), re.MULTILINE))
    assert {"openat", "epoll_ctl", "fdatasync"} <= made
    as_root = {"fchown"}  # SQLite gives its files the owner of the ledger, where it runs as root
    assert made - allowed_calls(DEPLOY / "whenfinal.service") <= as_root

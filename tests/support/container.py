"""A container without a container engine: the steps of the Dockerfile in namespaces of Linux, on this machine's files.

A build runs each COPY and RUN in a mount namespace of its own, in which `/srv` and `/var/lib` are empty folders of the
test and `/usr/local` is the Python of this run, as in the base image. A run has namespaces of its own for mounts,
processes and the network, every file system read-only but the volume, no rights, and the command as process 1.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.image_file import DOCKERFILE, ROOT, Stage, context, copied, expanded, read_stages

LIMIT_S = 120
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOUNTS = (
    'mount --make-rprivate / && mount --bind "$1" /srv && mount --bind "$2" /var/lib && mount --bind "$3" /usr/local'
)
_BUILD = f'{_MOUNTS} && mkdir -p "$4" && cd "$4" && exec sh -euc "$5"'
_RUN = f"""{_MOUNTS}
mount --bind /var/lib/whenfinal /var/lib/whenfinal
for place in $(cut -d' ' -f5 /proc/self/mountinfo); do
    case "$place" in /var/lib/whenfinal|/proc*|/sys*|/dev/pts) ;; *) mount -o remount,ro,bind "$place" || true ;; esac
done
ip link set lo up
cd /var/lib/whenfinal
shift 3
exec "$@"
"""


def why_not() -> str | None:
    """Why there can be no such container here; None where there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root, to make namespaces"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "mount", "ip") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed (Debian: apt-get install util-linux mount iproute2)"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "sh", "-c", "mount --make-rprivate / && ip link set lo up"],
        check=False,
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"this machine makes no namespaces: {tried.stderr.strip()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    folder: Path
    final: Stage

    def environment(self) -> dict[str, str]:
        set_here = {name: expanded(text, {"PATH": _BASE_PATH}) for name, text in self.final.environment().items()}
        return {**set_here, "LD_LIBRARY_PATH": "/usr/local/lib"}  # where a shared library of this Python is

    def _places(self) -> list[str]:
        return [str(self.folder / "srv"), str(self.folder / "lib"), sys.base_prefix]

    def as_user(self, *command: str, **settings: str) -> list[str]:
        """The command as the user of the image, without any right of root, with the environment of the image."""
        user, _, group = self.final.last("USER").partition(":")
        bare = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        environment = [f"{name}={text}" for name, text in {**self.environment(), **settings}.items()]
        return [*bare, "env", "-i", *environment, *command]

    def started(self, *command: str, **settings: str) -> list[str]:
        namespaces = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        inside = ["sh", "-euc", _RUN, "sh", *self._places(), *self.as_user(*command, **settings)]
        return [*namespaces, *inside]

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A container that ends by itself."""
        return subprocess.run(
            self.started(*command, **settings), check=False, capture_output=True, text=True, timeout=LIMIT_S
        )

    @contextmanager
    def running(self, *command: str, **settings: str) -> Iterator["Container"]:
        with (
            (self.folder / "said").open("wb") as out,
            subprocess.Popen(self.started(*command, **settings), stdout=out, stderr=out) as popen,
        ):
            try:
                yield Container(image=self, popen=popen, said=self.folder / "said")
            finally:
                popen.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    image: Image
    popen: "subprocess.Popen[bytes]"
    said: Path

    def first(self) -> int:
        """Process 1 of the container, by its number outside."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
        return int(children[0])

    def text(self) -> str:
        return self.said.read_text(errors="replace")

    def says(self, part: str) -> None:
        """Wait until it has written this."""
        until = time.monotonic() + LIMIT_S
        while part not in self.text():
            assert time.monotonic() < until, self.text()
            assert self.popen.poll() is None, self.text()
            time.sleep(0.05)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one more command in it, as `docker exec` does."""
        inside = [
            "nsenter",
            "--target",
            str(self.first()),
            "--mount",
            "--pid",
            "--net",
            "--wd",
            *self.image.as_user(*command),
        ]
        return subprocess.run(inside, check=False, capture_output=True, text=True, timeout=LIMIT_S)

    def stop(self) -> int:
        """SIGTERM to process 1; return the exit status of the container."""
        os.kill(self.first(), signal.SIGTERM)
        return self.popen.wait(LIMIT_S)


def build(folder: Path) -> Image:
    """All steps of the Dockerfile in their order."""
    stages = read_stages(DOCKERFILE.read_text(encoding="utf-8"))
    for name in ("srv", "lib"):
        (folder / name).mkdir()
    for stage in stages:
        _build_stage(stage, folder)
    return Image(folder=folder, final=stages[-1])


def _build_stage(stage: Stage, folder: Path) -> None:
    place = "/srv"
    for step in stage.steps:
        if step.word == "WORKDIR":
            place = step.rest
        elif step.word == "RUN":
            _run(folder, place, step.rest)
        elif step.word == "COPY":
            _copy(folder, place, *copied(step))


def _run(folder: Path, place: str, script: str) -> None:
    places = [str(folder / "srv"), str(folder / "lib"), sys.base_prefix]
    kept = {
        name: text for name, text in os.environ.items() if name.lower().endswith("_proxy") or name.startswith("PIP_")
    }
    environment = {"PATH": _BASE_PATH, "HOME": os.environ.get("HOME", "/"), **kept}
    script = script.replace(" --no-cache-dir", "")  # a test may use what was downloaded before
    command = ["unshare", "--mount", "sh", "-euc", _BUILD, "sh", *places, place, script]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=LIMIT_S * 4)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"


def _copy(folder: Path, place: str, stage: str | None, sources: Sequence[str], target: str) -> None:
    """From the checkout. Both stages share `/srv`, so what comes from another one must keep its place."""
    if stage is not None:
        assert sources == [target], f"COPY --from to another place: {sources}"
        return
    under = folder / "srv" / Path(place).relative_to("/srv")
    for source in sources:
        names = [name for name in context() if name == source or name.startswith(f"{source.rstrip('/')}/")]
        assert names, f"COPY of {source}: the build does not see it"
        for name in names:
            inner = Path(name).name if name == source else str(Path(name).relative_to(source))
            end = under / target / inner if name != source or target.endswith("/") else under / target
            end.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, end)

"""The samples of nginx and Caddy as processes on this machine: with free ports, one certificate, and our service."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL

import httpx

from tests.support.certificates import write_certificate
from tests.support.postgres import free_port

SAMPLES = Path(__file__).resolve().parents[2] / ".github/deploy"
OUTSIDE, INSIDE = "hooks.example.com", "whenfinal.internal.example"
_START_S = 60
_LIMIT_S = 60
_PATHS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

_AROUND_NGINX = """daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{sample}
}}
"""
_AROUND_CADDY = """{{
	admin off
	grace_period 1s
	auto_https disable_redirects
	storage file_system {folder}
}}
{sample}
"""


class NoProxy(Exception):
    """Says which program is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """`ports` are those of the two names; `certificate` is that of both."""

    certificate: Path
    ports: Mapping[str, int]

    def client(self, name: str) -> httpx.AsyncClient:
        """A client of a name, which is in the handshake and in `Host`; nothing is looked up."""
        return httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{self.ports[name]}",
            verify=self._context(),
            trust_env=False,
            timeout=_LIMIT_S,
            headers={"Host": name},
            event_hooks={"request": [_in_the_handshake(name)]},
        )

    async def raw_status(self, name: str, head: str) -> int:
        """The status of an answer to a head that no client would send."""
        return await asyncio.to_thread(self._raw_status, name, head)

    def _raw_status(self, name: str, head: str) -> int:
        with (
            socket.create_connection(("127.0.0.1", self.ports[name]), _LIMIT_S) as plain,
            self._context().wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(f"{head}\r\nHost: {name}\r\n\r\n".encode())
            return int(secure.recv(4096).split()[1])

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def _in_the_handshake(name: str) -> Callable[[httpx.Request], Awaitable[None]]:
    async def add(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = name

    return add


@contextmanager
def nginx(folder: Path, service_port: int, changes: Mapping[str, str]) -> Iterator[Proxy]:
    """Raise NoProxy where it is not installed. `changes` replace texts of the sample."""
    proxy = _proxy(folder, {OUTSIDE: free_port(), INSIDE: free_port()})
    listens = {"listen 443": f"listen 127.0.0.1:{proxy.ports[OUTSIDE]}", "listen 10.0.0.5:443": ""}
    listens["listen 10.0.0.5:443"] = f"listen 127.0.0.1:{proxy.ports[INSIDE]}"
    files = {f"/etc/ssl/whenfinal/{name}.pem": str(proxy.certificate) for name in ("hooks", "internal")}
    files |= {f"/etc/ssl/whenfinal/{name}.key": str(folder / "key.pem") for name in ("hooks", "internal")}
    sample = _changed("nginx.conf", {**listens, **files, "127.0.0.1:8000": f"127.0.0.1:{service_port}", **changes})
    user = "user root;" if os.geteuid() == 0 else ""  # another one could not write in the folder of the test
    (folder / "nginx.conf").write_text(_AROUND_NGINX.format(user=user, folder=folder, sample=sample))
    with _started("nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), proxy=proxy):
        yield proxy


@contextmanager
def caddy(folder: Path, service_port: int, changes: Mapping[str, str]) -> Iterator[Proxy]:
    """The same; both names are on one port."""
    port = free_port()
    proxy = _proxy(folder, {OUTSIDE: port, INSIDE: port})
    tls = f"tls {proxy.certificate} {folder / 'key.pem'}"
    given = {
        f"{OUTSIDE} {{": f"https://{OUTSIDE}:{port} {{\n\tbind 127.0.0.1\n\t{tls}",
        f"{INSIDE} {{": f"https://{INSIDE}:{port} {{\n\tbind 127.0.0.1",
        "tls internal": tls,
        "127.0.0.1:8000": f"127.0.0.1:{service_port}",
    }
    sample = _changed("Caddyfile", {**given, **changes})
    (folder / "Caddyfile").write_text(_AROUND_CADDY.format(folder=folder, sample=sample))
    with _started("caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile"), proxy=proxy):
        yield proxy


def _changed(name: str, changes: Mapping[str, str]) -> str:
    """Fail where a text to be replaced is not in the sample."""
    text = (SAMPLES / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


def _proxy(folder: Path, ports: Mapping[str, int]) -> Proxy:
    folder.mkdir(parents=True, exist_ok=True)
    write_certificate(folder, OUTSIDE, ports)
    return Proxy(certificate=folder / "cert.pem", ports=ports)


@contextmanager
def _started(name: str, *arguments: str, proxy: Proxy) -> Iterator[None]:
    program = shutil.which(name, path=_PATHS)
    if program is None:
        raise NoProxy(f"{name} is not installed (Debian: apt-get install {name})")
    folder = proxy.certificate.parent
    environment = {"PATH": _PATHS, "HOME": str(folder)}
    with (
        (folder / "log").open("wb") as out,
        subprocess.Popen([program, *arguments], stdin=DEVNULL, stdout=out, stderr=out, env=environment) as process,
    ):
        try:
            _wait_until_open(process, proxy)
            yield
        finally:
            process.terminate()
            process.wait(_START_S)


def _wait_until_open(process: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    until = time.monotonic() + _START_S
    for port in proxy.ports.values():
        with socket.socket() as knock:
            while knock.connect_ex(("127.0.0.1", port)) != 0:
                said = (proxy.certificate.parent / "log").read_text(errors="replace")
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.02)

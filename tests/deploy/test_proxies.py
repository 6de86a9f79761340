"""The samples of nginx and Caddy as they stand, before the real application: what is let in, and what is not cut."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from receiver.config.settings import Settings
from tests.support import proxy as proxies
from tests.support.proxy import INSIDE, OUTSIDE, SAMPLES, NoProxy, Proxy
from tests.support.service import KEYS, Served, a_callback_body, served
from tests.support.stream_listener import open_stream

Opener = Callable[[Path, int, Mapping[str, str]], AbstractContextManager[Proxy]]

OPENERS: Mapping[str, Opener] = {"nginx": proxies.nginx, "caddy": proxies.caddy}
EVERY_PROXY = pytest.mark.parametrize("kind", OPENERS)
KEY = {"Authorization": f"Bearer {KEYS['all'][1]}"}
BEARER = f"Authorization: {KEY['Authorization']}"
URLS = {"WHENFINAL_PUBLIC_URL": f"https://{OUTSIDE}", "WHENFINAL_DASHBOARD_URL": f"https://{INSIDE}"}
DEFAULTS = Settings.from_mapping({})
SAMPLE = {"nginx": "nginx.conf", "caddy": "Caddyfile"}
#: The text of the sample with how long the service may be silent.
SILENCE = {"nginx": "proxy_read_timeout 60s;    #", "caddy": "response_header_timeout 60s"}
#: In its order. Caddy has none, because it would answer 502.
SIZES = {"nginx": [DEFAULTS.callbacks.max_bytes, DEFAULTS.api.max_bytes], "caddy": []}
#: The text that lets this machine in.
HERE = {"nginx": "    allow 127.0.0.0/8;\n", "caddy": " 127.0.0.0/8"}


@asynccontextmanager
async def _behind(
    kind: str, folder: Path, *, changes: Mapping[str, str] | None = None, **settings: str
) -> AsyncIterator[tuple[Served, Proxy]]:
    async with served(folder, None, **URLS, **settings) as service:
        port = urlsplit(service.url).port
        assert port is not None
        try:
            with OPENERS[kind](folder / "proxy", port, changes or {}) as proxy:
                yield service, proxy
        except NoProxy as error:
            pytest.skip(str(error))


@EVERY_PROXY
async def test_a_callback_comes_in_and_its_event_reaches_a_stream_at_once(kind: str, tmp_path: Path) -> None:
    async with (
        _behind(kind, tmp_path) as (service, proxy),
        proxy.client(OUTSIDE) as outside,
        proxy.client(INSIDE) as inside,
    ):
        await service.has()
        async with open_stream(inside) as stream:
            answer = await outside.post(service.callback_path(), json=a_callback_body())
            assert answer.status_code == 204
            assert (await stream.data())["task"]["id"] == "tsk_1"


@EVERY_PROXY
async def test_nothing_but_callbacks_is_there_from_the_outside(kind: str, tmp_path: Path) -> None:
    async with _behind(kind, tmp_path) as (service, proxy), proxy.client(OUTSIDE) as outside:
        assert (await service.get("/v1/tasks")).status_code == 200
        for path in (
            "/",
            "/v1/tasks",
            "/v1/events",
            "/ops",
            "/metrics",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/docs",
        ):
            assert (await outside.get(path, headers=KEY)).status_code == 404, path
        for path in (
            "/callbacks/../v1/tasks",
            "/callbacks/..%2fv1/tasks",
            "/callbacks/%2e%2e/v1/tasks",
            "/callbacks//../v1/tasks",
            "/v1/../callbacks/../v1/tasks",
            "/v1/tasks/../../callbacks/x",
            "//v1/tasks",
            "/callbacks/;/../../v1/tasks",
        ):
            status = await proxy.raw_status(OUTSIDE, f"GET {path} HTTP/1.1\r\n{BEARER}\r\nConnection: close")
            assert status == 404, path


@EVERY_PROXY
async def test_the_api_and_the_dashboard_are_there_from_the_inside_and_the_metrics_are_not(
    kind: str, tmp_path: Path
) -> None:
    async with _behind(kind, tmp_path) as (_, proxy), proxy.client(INSIDE) as inside:
        assert (await inside.get("/v1/tasks", headers=KEY)).status_code == 200
        assert (await inside.get("/v1/tasks")).status_code == 401
        assert (await inside.get("/readyz")).status_code == 200
        assert (await inside.get("/metrics", headers=KEY)).status_code == 404
        key, origin = {"key": KEYS["read"][1]}, {"Origin": f"https://{INSIDE}"}
        signed_in = await inside.post("/ops/sign-in", data=key, headers=origin)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/ops")
        assert "Secure" in signed_in.headers["set-cookie"]


@EVERY_PROXY
async def test_other_networks_do_not_reach_the_inside(kind: str, tmp_path: Path) -> None:
    async with _behind(kind, tmp_path, changes={HERE[kind]: ""}) as (_, proxy), proxy.client(INSIDE) as inside:
        for path in ("/v1/tasks", "/ops", "/metrics", "/v1/events/stream"):
            assert (await inside.get(path, headers=KEY)).status_code in {403, 404}, path
        assert (await inside.get("/v1/tasks", headers=KEY)).status_code == 403


@EVERY_PROXY
@pytest.mark.parametrize(("silence", "statuses"), [("60s", {200}), ("1s", {502, 504})])
async def test_a_wait_is_cut_only_by_a_proxy_that_waits_less(
    kind: str, silence: str, statuses: set[int], tmp_path: Path
) -> None:
    changes = {SILENCE[kind]: SILENCE[kind].replace("60s", silence)}
    async with (
        _behind(kind, tmp_path, changes=changes, WHENFINAL_WAIT_MAX_S="3") as (service, proxy),
        proxy.client(INSIDE) as inside,
    ):
        await service.has()
        assert (await inside.get("/v1/tasks/tsk_1?wait=3", headers=KEY)).status_code in statuses


@EVERY_PROXY
async def test_a_body_over_the_limit_is_refused_and_one_within_it_passes(kind: str, tmp_path: Path) -> None:
    callbacks, api = DEFAULTS.callbacks.max_bytes, DEFAULTS.api.max_bytes
    headers = {**KEY, "Content-Type": "application/json"}
    async with (
        _behind(kind, tmp_path) as (service, proxy),
        proxy.client(OUTSIDE) as outside,
        proxy.client(INSIDE) as inside,
    ):
        await service.has()
        path = service.callback_path()
        padded = {**a_callback_body(), "padding": "x" * (callbacks - 1000)}
        assert (await outside.post(path, json=padded)).status_code == 204
        assert (await outside.post(path, content=bytes(callbacks + 1), headers=headers)).status_code == 413
        with suppress(httpx.TransportError):  # Caddy closes after its answer, and so many bytes are still on their way
            refused = await inside.post("/v1/tasks", content=bytes(api + 1), headers=headers)
            assert refused.status_code == 413
        assert (await inside.get("/readyz")).status_code == 200


@EVERY_PROXY
def test_the_sizes_and_times_of_a_sample_fit_the_defaults(kind: str) -> None:
    text = (SAMPLES / SAMPLE[kind]).read_text(encoding="utf-8")
    sizes = [int(number) * 2**20 for number in re.findall(r"(?:client_max_body_size|max_size) (\d+)(?:m;|MiB)", text)]
    assert sizes == SIZES[kind]
    silences = [int(found) for found in re.findall(r"(?:read|response_header)_timeout (\d+)s", text)]
    assert max(silences) > DEFAULTS.api.wait_max_s
    assert silences[-1] > DEFAULTS.streams.keepalive_s

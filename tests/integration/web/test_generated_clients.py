"""Clients that other tools generate from `/openapi.json` work against a running server.

The tools are no dependency of the project: `openapi-python-client`, and `openapi-typescript` with `tsc` and `node`. Put
them on the PATH to run these tests.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_server import reply, replying, serving
from tests.support.service import KEYS, Served, served_with_simulator

KEY = KEYS["all"][1]

PYTHON_PROGRAM = """
import json, sys
from generated import AuthenticatedClient
from generated.api.events import list_events
from generated.api.subscriptions import create_subscription, get_subscription, test_subscription
from generated.api.tasks import get_task, get_timeline, list_tasks, submit_task
from generated.models import CreateSubscriptionRequest, Problem, SubmitRequest, VideoRequest

url, key, hook = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, timeout=60)
video = VideoRequest(model="happyhorse-1.1/text-to-video", prompt="a horse at dawn")
task = submit_task.sync(client=client, body=SubmitRequest(provider="hiapi", video=video), idempotency_key="k")
problem = submit_task.sync(client=client, body=SubmitRequest(provider="nobody", video=video))
assert isinstance(problem, Problem)
ended = get_task.sync(task.id, client=client, wait=30)
made = create_subscription.sync(client=client, body=CreateSubscriptionRequest(url=hook))
print(json.dumps({
    "task": [ended.id == task.id, ended.state],
    "tasks": [each.id for each in list_tasks.sync(client=client, limit=5).tasks] == [task.id],
    "timeline": get_timeline.sync(task.id, client=client).task == task.id,
    "events": [each.type_ for each in list_events.sync(client=client, after=0).events],
    "problem": [each.field for each in problem.errors],
    "subscription": get_subscription.sync(made.id, client=client).deliveries.pending,
    "delivered": test_subscription.sync(made.id, client=client).delivered,
}))
"""

TYPESCRIPT_PROGRAM = """
import type { components, operations } from "./api";

declare const process: { argv: string[] };
type Schemas = components["schemas"];
type SubmitBody = operations["submitTask"]["requestBody"]["content"]["application/json"];
type Limit = NonNullable<operations["listTasks"]["parameters"]["query"]>["limit"];
const [url, key, hook] = process.argv.slice(2) as [string, string, string];

async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const reply = await fetch(url + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  return (await reply.json()) as Answer;
}

async function main(): Promise<void> {
  const order: SubmitBody = {
    provider: "hiapi",
    video: { model: "happyhorse-1.1/text-to-video", prompt: "a horse at dawn" },
  };
  const wanted: Schemas["CreateSubscriptionRequest"] = { url: hook };
  const limit: Limit = 5;
  const task = await call<Schemas["SubmittedTask"]>("POST", "/v1/tasks", order);
  const problem = await call<Schemas["Problem"]>("POST", "/v1/tasks", { ...order, provider: "nobody" });
  const ended = await call<Schemas["Task"]>("GET", `/v1/tasks/${task.id}?wait=30`);
  const page = await call<Schemas["EventsPage"]>("GET", "/v1/events?after=0");
  const made = await call<Schemas["SubscriptionWithSecret"]>("POST", "/v1/subscriptions", wanted);
  const path = `/v1/subscriptions/${made.id}`;
  console.log(JSON.stringify({
    task: [ended.id === task.id, ended.state],
    tasks: (await call<Schemas["TasksPage"]>("GET", `/v1/tasks?limit=${limit}`)).tasks[0]?.id === task.id,
    timeline: (await call<Schemas["Timeline"]>("GET", `/v1/tasks/${task.id}/timeline`)).task === task.id,
    events: page.events.map((each) => each.type),
    problem: (problem.errors ?? []).map((each) => each.field),
    subscription: (await call<Schemas["SubscriptionWithBacklog"]>("GET", path)).deliveries.pending,
    delivered: (await call<Schemas["ProbeResult"]>("POST", `${path}/test`)).delivered,
  }));
}

void main();
"""

EXPECTED = {
    "task": [True, "succeeded"],
    "tasks": True,
    "timeline": True,
    "events": ["task.succeeded"],
    "problem": ["provider"],
    "subscription": 0,
    "delivered": True,
}


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served_with_simulator(tmp_path) as (service, _):
        yield service


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def _run(*command: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def _document(service: Served, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_bytes((await service.http.get("/openapi.json")).content)
    return path


async def _called(*program: str, service: Served, folder: Path) -> dict[str, Any]:
    async with serving(replying(reply(b""))) as endpoint:
        found: dict[str, Any] = json.loads(await _run(*program, service.url, KEY, endpoint.url, folder=folder))
    return found


async def test_a_python_client_is_generated_without_a_gap_and_works(service: Served, tmp_path: Path) -> None:
    tool = _tool("openapi-python-client")
    document = await _document(service, tmp_path)
    options = ("--meta", "none", "--output-path", str(tmp_path / "generated"))
    said = await _run(tool, "generate", "--path", str(document), *options, folder=tmp_path)
    assert "WARNING" not in said
    (tmp_path / "call.py").write_text(PYTHON_PROGRAM)
    # What the generated code imports is installed beside the tool.
    interpreter = str(Path(tool).resolve().parent / "python")
    assert await _called(interpreter, "call.py", service=service, folder=tmp_path) == EXPECTED


async def test_generated_typescript_types_fit_what_the_server_answers(service: Served, tmp_path: Path) -> None:
    generate, compile_, node = _tool("openapi-typescript"), _tool("tsc"), _tool("node")
    document = await _document(service, tmp_path)
    await _run(generate, str(document), "-o", "api.d.ts", folder=tmp_path)
    (tmp_path / "call.ts").write_text(TYPESCRIPT_PROGRAM)
    options = ("--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "commonjs")
    await _run(compile_, *options, "call.ts", folder=tmp_path)
    assert await _called(node, "call.js", service=service, folder=tmp_path) == EXPECTED

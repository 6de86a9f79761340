"""Spans of a task's life: each is a trace of its own that links to the span of the submit; off, there is none."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from receiver.config.errors import ConfigError
from receiver.config.settings import Settings
from receiver.metrics.spans import Spans, caller_trace, submit_ids
from receiver.runtime.background import working
from receiver.runtime.measuring import open_spans
from receiver.runtime.tracing import OtelSpans, TaskIds
from submitter.simulator import SimulatorConfig, running
from tests.support.raw_server import RawServer, reply, replying, serving
from tests.support.service import ORDER, VIDEO, Served, a_callback_body, served

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALLER_IDS = (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


class Seen:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(id_generator=TaskIds(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.spans = OtelSpans(provider)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    found = Seen()

    class Given:
        async def __aenter__(self) -> Spans:
            return found.spans

        async def __aexit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr("receiver.runtime.wiring.open_spans", lambda _settings: Given())
    yield found
    caller_trace.set(None)


def _ids(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def _links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


async def _ends_and_is_delivered(service: Served, hook: RawServer, *, cloudevents: bool = False) -> str:
    video = {"model": "happyhorse-1.1-t2v", "prompt": "a horse"}
    order = {"provider": "dashscope", "video": video, "notify": {"url": hook.url}}
    task = (await service.post("/v1/tasks", order, headers={"traceparent": CALLER})).json()
    assert (await service.get(f"/v1/tasks/{task['id']}?wait=30")).json()["state"] == "succeeded"
    return str(task["id"])


async def test_polls_and_deliveries_link_to_the_submit_and_it_to_its_caller(seen: Seen, tmp_path: Path) -> None:
    async with (
        running(SimulatorConfig(speed=600.0)) as sim,
        served(tmp_path, sim, WHENFINAL_PROVIDER_SPEED="600") as service,
        serving(replying(reply())) as hook,
        working(service.services),
    ):
        task_id = await _ends_and_is_delivered(service, hook)
        await hook.until_requests(1)
    (submit,) = seen.named("submit")
    assert (_ids(submit), _links(submit)) == (submit_ids(task_id), [CALLER_IDS])
    polls, deliveries = seen.named("poll"), seen.named("delivery")
    assert polls
    assert {each for span in (*polls, *deliveries) for each in _links(span)} == {submit_ids(task_id)}
    trace_id, span_id = _ids(deliveries[0])
    assert f"traceparent: 00-{trace_id:032x}-{span_id:016x}-01".encode() in hook.requests[0]


async def test_a_task_that_waits_keeps_the_trace_of_its_caller_over_a_restart(seen: Seen, tmp_path: Path) -> None:
    """It is sent by another process than the one that took the request."""
    stuck = {"provider": "hiapi", "video": {**VIDEO, "prompt": "a horse #simulate:stuck"}}
    async with running(SimulatorConfig(speed=600.0, webhook_secrets={"hiapi": None})) as sim:
        async with served(tmp_path, sim, HIAPI_MAX_IN_FLIGHT="1") as service:
            assert (await service.post("/v1/tasks", stuck)).json()["state"] == "submitted"
            task = (await service.post("/v1/tasks", ORDER, headers={"traceparent": CALLER})).json()
            assert task["state"] == "queued"
            too_long = {"traceparent": f"{CALLER}-{'a' * 300}"}
            longer = (await service.post("/v1/tasks", ORDER, headers=too_long)).json()
            assert longer["state"] == "queued"
        async with served(tmp_path, sim, HIAPI_MAX_IN_FLIGHT="3") as service, working(service.services):
            for task_id in (task["id"], longer["id"]):
                assert (await service.get(f"/v1/tasks/{task_id}?wait=30")).json()["state"] == "succeeded"
    found = {_ids(span): _links(span) for span in seen.named("submit")}
    assert found[submit_ids(task["id"])] == [CALLER_IDS]
    assert found[submit_ids(longer["id"])] == []


async def test_a_callback_is_a_trace_of_its_own_with_links_to_the_submit_and_to_its_sender(
    seen: Seen, tmp_path: Path
) -> None:
    async with served(tmp_path) as service:
        await service.has()
        answer = await service.calls_back(json=a_callback_body(), headers={"traceparent": CALLER})
        broken = await service.calls_back(json=a_callback_body(), headers={"traceparent": "00-zz"})
        assert (answer.status_code, broken.status_code) == (204, 200)
    first, second = seen.named("callback")
    assert _links(first) == [CALLER_IDS, submit_ids("tsk_1")]
    assert _links(second) == [submit_ids("tsk_1")]
    assert len({_ids(first)[0], _ids(second)[0], submit_ids("tsk_1")[0], CALLER_IDS[0]}) == 4


async def test_off_no_span_is_made_and_nothing_of_opentelemetry_is_needed(tmp_path: Path) -> None:
    async with open_spans(Settings.from_mapping({})) as spans:
        assert not spans.is_on
        with spans.about("delivery", "tsk_1", {}) as headers:
            assert headers == ()


async def test_without_the_package_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "receiver.runtime.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match="OpenTelemetry is not installed") as raised:
        open_spans(Settings.from_mapping({"WHENFINAL_OTEL": "on"}))
    assert "whenfinal[otel]" in str(raised.value.hint)


async def test_a_collector_that_is_not_there_delays_no_stop_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with open_spans(Settings.from_mapping({"WHENFINAL_OTEL": "on"})) as spans:
        assert spans.is_on

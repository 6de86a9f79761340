"""Spans by OpenTelemetry. The one module that imports it; off, nothing of it is imported.

Where spans go, how many are sampled and under which name is set by OpenTelemetry's own variables (`OTEL_…`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from receiver.metrics.spans import Spans, TraceHeaders, submit_ids

#: The ids of the next span, where they are given.
_given: ContextVar[tuple[int, int] | None] = ContextVar("given_ids", default=None)

_TRACEPARENT = TraceContextTextMapPropagator()

FLUSH_MS = 3000  # at a stop; what an endpoint that hangs has not taken by then is lost


class TaskIds(IdGenerator):
    """Random ids, except for the span of a task's first submit."""

    def generate_trace_id(self) -> int:
        given = _given.get()
        return (secrets.randbits(128) or 1) if given is None else given[0]

    def generate_span_id(self) -> int:
        given = _given.get()
        return (secrets.randbits(64) or 1) if given is None else given[1]


class OtelSpans(Spans):
    """One for a process."""

    is_on = True

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("whenfinal", version("whenfinal"))

    @contextmanager
    def submit(self, task_id: str, *, number: int, provider: str, incoming: str | None = None) -> Iterator[None]:
        attributes = {"whenfinal.task": task_id, "whenfinal.provider": provider}
        if number:
            with self.about("submit", task_id, attributes, incoming=incoming):
                yield
            return
        reset = _given.set(submit_ids(task_id))
        try:
            span = self._tracer.start_span(
                "submit",
                context=Context(),
                kind=trace.SpanKind.CLIENT,
                attributes=attributes,
                links=_links(incoming),
            )
        finally:
            _given.reset(reset)
        with trace.use_span(span, end_on_exit=True):
            yield

    @contextmanager
    def about(
        self, name: str, task_id: str | None, attributes: Mapping[str, str], *, incoming: str | None = None
    ) -> Iterator[TraceHeaders]:
        links = [*_links(incoming), *([] if task_id is None else [_link_to_submit(task_id)])]
        kind = trace.SpanKind.SERVER if name == "callback" else trace.SpanKind.CLIENT
        span = self._tracer.start_span(name, context=Context(), kind=kind, attributes=dict(attributes), links=links)
        carrier: dict[str, str] = {}
        _TRACEPARENT.inject(carrier, trace.set_span_in_context(span))
        with trace.use_span(span, end_on_exit=True):
            yield tuple(carrier.items())


def _links(traceparent: str | None) -> list[trace.Link]:
    """None for a header that is missing or malformed."""
    if traceparent is None:
        return []
    context = trace.get_current_span(_TRACEPARENT.extract({"traceparent": traceparent}, Context())).get_span_context()
    return [trace.Link(context)] if context.is_valid else []


def _link_to_submit(task_id: str) -> trace.Link:
    trace_id, span_id = submit_ids(task_id)
    return trace.Link(trace.SpanContext(trace_id, span_id, is_remote=True))


@asynccontextmanager
async def otel_spans() -> AsyncIterator[Spans]:
    """Send spans by OTLP over HTTP until the process stops."""
    ours = Resource({"service.name": "whenfinal", "service.version": version("whenfinal")})
    named = ours.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named, id_generator=TaskIds(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield OtelSpans(provider)
    finally:
        await asyncio.to_thread(provider.force_flush, FLUSH_MS)
        await asyncio.to_thread(provider.shutdown)

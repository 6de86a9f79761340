"""Probes, and the description of the API."""

from receiver.config.api_keys import Scope
from receiver.web import health, metrics
from receiver.web.endpoint import Endpoint
from receiver.web.reference import page
from submitter import api_operations

SERVICE_ROUTES: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/healthz",
        handle=health.show_alive,
        name="getHealth",
        tag="service",
        summary="Liveness",
        description="The process is alive.",
        answers={200: api_operations.Health},
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handle=health.show_ready,
        name="getReadiness",
        tag="service",
        summary="Readiness",
        description="The ledger can be written. With a key of the scope `read` it also shows the provider accounts, "
        "and why one is paused.",
        optional_scope=Scope.READ,
        answers={200: api_operations.Readiness},
        problems=(503,),
    ),
    Endpoint(
        method="GET",
        path=metrics.PATH,
        handle=metrics.show_metrics,
        name="getMetrics",
        tag="service",
        summary="Metrics",
        description="The metrics of this process, in the text form of Prometheus or, where it is accepted, that of "
        "OpenMetrics. It needs a key of the scope `read`, unless `WHENFINAL_METRICS=open`. It is answered from memory: "
        "`whenfinal_snapshot_timestamp_seconds` says when the gauges were read from the ledger.",
        optional_scope=Scope.READ,
        answers={200: None},
        media_type="text/plain",
        problems=(401, 403),
    ),
    Endpoint(
        method="GET",
        path="/openapi.json",
        handle=health.show_openapi,
        name="getOpenapi",
        tag="service",
        summary="This description",
        description="The description of the API in OpenAPI 3.1.",
        answers={200: None},
    ),
    Endpoint(
        method="GET",
        path=page.PATH,
        handle=page.show_reference,
        name="getReference",
        tag="service",
        summary="The API reference",
        description="This description as a page for people, with an example of every operation. It fetches nothing "
        "from elsewhere and needs no script.",
        answers={200: None},
        media_type="text/html",
    ),
)

"""Hosts that tasks name in `notify`: list them with their trouble, resume one."""

from receiver.web.endpoint import JsonAnswer, RequestContext
from receiver.web.problems import not_found
from receiver.web.schemas.endpoints import EndpointsQuery, ResumeEndpointRequest, WhichEndpoints
from receiver.web.schemas.tasks import NoBody, NoQuery
from receiver.webhooks.model.views import notify_endpoint_view, resumed_endpoint_view
from submitter.api_operations import NotifyEndpointsPage


async def list_endpoints(context: RequestContext[EndpointsQuery, NoBody]) -> JsonAnswer:
    query, services = context.query, context.services
    now_ms, only_failing = services.clock(), query.which is WhichEndpoints.FAILING
    page = await services.store.endpoints.notify_hosts(
        only_failing=only_failing, limit=query.limit, cursor=query.cursor, now_ms=now_ms
    )
    found = tuple(notify_endpoint_view(each, now_ms=now_ms) for each in page.items)
    return JsonAnswer(body=NotifyEndpointsPage(endpoints=found, next_cursor=page.next_cursor))


async def resume_endpoint(context: RequestContext[NoQuery, ResumeEndpointRequest]) -> JsonAnswer:
    services, host = context.services, context.body.endpoint
    resumed = await services.endpoints.resume_host(host, actor=context.actor, dead_letters=context.body.dead_letters)
    status = await services.store.endpoints.notify_host(host)
    if resumed is None or status is None:
        raise not_found("endpoint")
    return JsonAnswer(body=resumed_endpoint_view(status, resumed, now_ms=services.clock()))

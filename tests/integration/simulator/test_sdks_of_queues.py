"""The published SDKs of fal and Replicate, unpatched but for their base URL, against the simulator."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from submitter.simulator.media import video_of
from tests.integration.simulator.calls import ApiClient, calling, sink

fal_client = pytest.importorskip("fal_client")

HORSE = "alibaba/happy-horse/v1.1/text-to-video"
KLING = "kwaivgi/kling-v3-video"


async def called(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """A call of a synchronous SDK from a thread."""
    return await asyncio.to_thread(function, *given, **named)


@pytest.fixture
def fal_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ApiClient], Any]]:
    """fal's client for a simulator; its setting of the host, FAL_QUEUE_RUN_HOST, knows https alone."""
    clients: list[Any] = []

    def aim(caller: ApiClient) -> Any:
        monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", caller.sim.base_url("fal") + "/")
        clients.append(fal_client.SyncClient(key=caller.sim.key("fal")))
        return clients[-1]

    yield aim
    for client in clients:
        client._client.close()


async def test_fal_submits_follows_and_gets_the_result(fal_at: Callable[[ApiClient], Any]) -> None:
    async with calling() as caller:
        client = fal_at(caller)
        handle = await called(client.submit, HORSE, {"prompt": "a horse", "duration": 4})
        waiting = await called(handle.status, with_logs=True)
        caller.sim.finish(handle.request_id)
        ended = await called(client.status, HORSE, handle.request_id)
        result = await called(client.result, HORSE, handle.request_id)
        film = (await caller.http.get(result["video"]["url"])).content
        assert caller.sim.records().task(handle.request_id).body == {"prompt": "a horse", "duration": 4}
    assert (waiting, type(ended)) == (fal_client.Queued(position=0), fal_client.Completed)
    assert ended.error is None
    assert film == video_of(handle.request_id, 4)


async def test_fal_subscribes_to_the_end(fal_at: Callable[[ApiClient], Any]) -> None:
    async with calling(speed=600) as caller:
        seen: list[Any] = []
        client = fal_at(caller)
        result = await called(client.subscribe, HORSE, {"prompt": "x"}, on_queue_update=seen.append, with_logs=True)
    assert result["video"]["content_type"] == "video/mp4"
    assert isinstance(seen[-1], fal_client.Completed)


async def test_fal_shows_why_a_task_failed(fal_at: Callable[[ApiClient], Any]) -> None:
    async with calling() as caller:
        client = fal_at(caller)
        broken = await called(client.submit, HORSE, {"prompt": "x"})
        refused = await called(client.submit, HORSE, {"prompt": "x", "duration": 99})
        caller.sim.fail(broken.request_id, code="startup_timeout", message="no runner")
        caller.skip(900)
        status = await called(broken.status)
        errors = []
        for handle in (broken, refused):
            with pytest.raises(fal_client.FalClientHTTPError) as raised:
                await called(client.result, HORSE, handle.request_id)
            errors.append((raised.value.status_code, raised.value.error_type))
    assert (status.error, status.error_type) == ("no runner", "startup_timeout")
    assert errors == [(500, "startup_timeout"), (422, None)]


async def test_fal_names_a_callback_url_and_cancels(fal_at: Callable[[ApiClient], Any]) -> None:
    async with calling() as caller, sink() as place:
        client = fal_at(caller)
        handle = await called(client.submit, HORSE, {"prompt": "x"}, webhook_url=f"{place.url}?a=1&b=2")
        await called(handle.cancel)
        [post] = await place.wait_for(1)
        with pytest.raises(fal_client.FalClientHTTPError):
            await called(handle.cancel)
    assert b"client_cancelled" in post.raw


async def test_fal_raises_its_own_errors(fal_at: Callable[[ApiClient], Any]) -> None:
    async with calling(quota={"fal": 0}) as caller:
        client = fal_at(caller)
        with pytest.raises(fal_client.FalClientHTTPError, match="locked"):
            await called(client.submit, HORSE, {"prompt": "x"})
        with pytest.raises(fal_client.FalClientHTTPError, match="no application"):
            await called(client.submit, "alibaba/no-such-app", {"prompt": "x"})
        wrong = fal_client.SyncClient(key="wrong")
        with pytest.raises(fal_client.FalClientHTTPError) as denied:
            await called(wrong.submit, HORSE, {"prompt": "x"})
        wrong._client.close()
    assert denied.value.status_code == 401


@pytest.fixture
def replicate_at() -> Iterator[Callable[[ApiClient], Any]]:
    replicate = pytest.importorskip("replicate")
    clients: list[Any] = []

    def aim(caller: ApiClient) -> Any:
        base_url = caller.sim.base_url("replicate").removesuffix("/v1")
        clients.append(replicate.Client(api_token=caller.sim.key("replicate"), base_url=base_url))
        return clients[-1]

    yield aim
    for client in clients:
        client._client.close()


async def test_replicate_creates_reloads_and_lists(replicate_at: Callable[[ApiClient], Any]) -> None:
    async with calling() as caller:
        client = replicate_at(caller)
        given = {"prompt": "a horse", "duration": 4, "mode": "pro"}
        made = await called(client.predictions.create, model=KLING, input=given)
        caller.sim.finish(made.id)
        found = await called(client.predictions.get, made.id)
        page = await called(client.predictions.list)
        film = (await caller.http.get(found.output)).content
        assert caller.sim.records().task(made.id).body["input"] == given
    assert (made.status, found.status, [each.id for each in page.results]) == ("starting", "succeeded", [made.id])
    assert film == video_of(made.id, 4)


async def test_replicate_waits_for_the_end_and_shows_why_a_task_failed(
    replicate_at: Callable[[ApiClient], Any],
) -> None:
    async with calling(speed=600) as caller:
        client = replicate_at(caller)
        client.poll_interval = 0.05
        wanted = {"model": KLING, "input": {"prompt": "x #simulate:fail"}}
        made = await called(client.predictions.create, **wanted)
        await called(made.wait)
    assert (made.status, made.error) == ("failed", "upstream rejected the picture")


async def test_replicate_cancels_and_raises_its_own_errors(replicate_at: Callable[[ApiClient], Any]) -> None:
    errors = pytest.importorskip("replicate.exceptions")
    async with calling() as caller:
        client = replicate_at(caller)
        made = await called(client.predictions.create, model=KLING, input={"prompt": "x"})
        await called(made.cancel)
        with pytest.raises(errors.ReplicateError) as refused:
            await called(client.predictions.create, model=KLING, input={"prompt": "x", "duration": 99})
        with pytest.raises(errors.ReplicateError) as unknown:
            await called(client.predictions.get, "none")
    assert made.status == "canceled"
    assert (refused.value.status, refused.value.title) == (422, "Input validation failed")
    assert unknown.value.status == 404


async def test_replicates_own_verifier_takes_the_simulated_callbacks(replicate_at: Callable[[ApiClient], Any]) -> None:
    webhook = pytest.importorskip("replicate.webhook")
    async with calling(speed=600) as caller, sink() as place:
        client = replicate_at(caller)
        wanted = {"webhook": place.url, "webhook_events_filter": ["completed"]}
        await called(client.predictions.create, model=KLING, input={"prompt": "x"}, **wanted)
        [post] = await place.wait_for(1)
        secret = await called(client.webhooks.default.secret)
    body = post.raw.decode()
    webhook.Webhooks.validate(headers=post.headers, body=body, secret=secret, tolerance=300)
    with pytest.raises(webhook.InvalidSignatureError):
        webhook.Webhooks.validate(headers=post.headers, body=body + " ", secret=secret, tolerance=300)

"""What a type checker knows of both clients; mypy reads the two functions, and nothing runs them."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any, assert_type

import pytest

from submitter import Client, Event, Notify, Raw, SyncClient, Task, Video
from submitter.api import AnyEvent, SubmittedTask, TaskDetail, TasksPage
from submitter.api_keys import CreatedKey
from submitter.api_runs import Run
from submitter.api_tasks import BatchAnswer
from submitter.api_webhooks import Delivery, SubscriptionWithSecret


async def _with_async(client: Client) -> None:
    video, notify = Video(model="m", prompt="p"), Notify(url="https://hooks.example")
    assert_type(await client.submit(provider="hiapi", video=video, notify=notify, wait_s=9.0), SubmittedTask)
    assert_type(await client.tasks.submit_many([{"provider": "hiapi", "raw": Raw(body={})}]), BatchAnswer)
    assert_type(await client.wait("tsk_1", timeout_s=9), Task)
    assert_type(await client.task("tsk_1"), TaskDetail)
    assert_type(await client.tasks.list(state=["running"], labels={"film": "1"}, limit=5), TasksPage)
    assert_type(client.tasks.all(provider="hiapi"), AsyncGenerator[Task])
    assert_type(client.events(after=1, types=["task.failed"]), AsyncGenerator[Event])
    assert_type(client.events.follow(types=["provider.paused"]), AsyncGenerator[AnyEvent])
    assert_type(await client.subscriptions.create("https://hooks.example", rate_per_s=5.0), SubscriptionWithSecret)
    assert_type(await client.runs.cancel_tasks(state="queued", run_key="k"), Run)
    assert_type(await client.keys.create("render", scopes=["read"]), CreatedKey)
    assert_type(client.results.chunks("tsk_1", number=1), AsyncGenerator[bytes])
    assert_type(await client.results.download("tsk_1", "film.mp4"), Path)
    await client.tasks.list(stat="running")  # type: ignore[call-arg]  # a filter that is none
    await client.submit(video=video)  # type: ignore[call-arg]  # without a provider
    await client.wait(3)  # type: ignore[arg-type]  # no id


def _with_plain(client: SyncClient) -> None:
    assert_type(client.submit(provider="hiapi", video={"model": "m"}, priority=9), SubmittedTask)
    assert_type(client.wait("tsk_1"), Task)
    assert_type(client.deliveries.all(state="dead"), Generator[Delivery])
    assert_type(client.events(follow=False), Generator[Event])
    assert_type(client.results.download("tsk_1", Path("films")), Path)
    client.deliveries.list(state="lost")  # type: ignore[arg-type]  # a state that is none


@pytest.mark.parametrize("checked", [_with_async, _with_plain])
def test_each_call_that_is_checked_is_a_method_of_the_client(checked: Callable[..., Any]) -> None:
    kind: type = Client if checked is _with_async else SyncClient
    client = kind("http://127.0.0.1:9", "key")
    names = {name for name in checked.__code__.co_names if hasattr(client, name)}
    assert {"submit", "wait", "events", "results"} <= names
    assert inspect.iscoroutinefunction(checked) is (kind is Client)

"""Create, change, replay and read subscriptions over HTTP, for tests of the real application."""

from typing import Any

import httpx

from submitter.model import TaskState
from tests.support.builders import T0, a_report
from tests.support.service import UNREACHABLE, Served

PATH = "/v1/subscriptions"
HOOK = f"{UNREACHABLE}/hook"


async def create_subscription(service: Served, bearer: str | None = None, **order: Any) -> dict[str, Any]:
    """Of the key that has everything, or of another one."""
    headers = service.key("all") if bearer is None else {"Authorization": f"Bearer {bearer}"}
    made = await service.http.post(PATH, json={"url": HOOK} | order, headers=headers)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def patch_subscription(service: Served, name: str, changes: Any, *, key: str = "all") -> httpx.Response:
    return await service.http.patch(f"{PATH}/{name}", json=changes, headers=service.key(key))


async def delete_subscription(service: Served, name: str, *, key: str = "all") -> httpx.Response:
    return await service.http.delete(f"{PATH}/{name}", headers=service.key(key))


async def finish_tasks(service: Served, *numbers: int, state: TaskState = TaskState.SUCCEEDED) -> None:
    """One event for each number, from what a provider reports."""
    for number in numbers:
        await service.has(f"tsk_{number}", f"p{number}")
    await service.services.store.ledger.record(
        [a_report(state, provider_task_id=f"p{each}") for each in numbers], T0 + 1000
    )


async def deliveries_of(service: Served, name: str, state: str = "pending") -> list[dict[str, Any]]:
    found = (await service.get("/v1/deliveries", params={"subscription": name, "state": state})).json()
    deliveries: list[dict[str, Any]] = found["deliveries"]
    return deliveries


async def replay_subscription(service: Served, name: str, **order: Any) -> httpx.Response:
    return await service.post(f"{PATH}/{name}/replay", order, key="operate")

"""A new secret reaches whoever rotated it, also where the ledger fails right after it was stored."""

from typing import Any

import pytest

from receiver.store.errors import StoreUnavailable
from tests.support.service import Served
from tests.support.subscriptions_over_http import PATH, create_subscription


async def test_a_rotation_answers_with_the_secret_where_the_ledger_fails_once_it_is_stored(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await create_subscription(service)
    repository = type(service.services.store.subscriptions)
    change, find = repository.change, repository.find

    async def fails(*arguments: Any) -> Any:
        raise StoreUnavailable("the ledger is locked")

    async def changes(*arguments: Any, **named: Any) -> Any:
        changed = await change(*arguments, **named)
        monkeypatch.setattr(repository, "find", fails)
        return changed

    monkeypatch.setattr(repository, "change", changes)
    answer = await service.post(f"{PATH}/{made['id']}/rotate-secret")
    monkeypatch.setattr(repository, "find", find)
    stored = await service.services.store.subscriptions.find(made["id"])
    assert stored is not None
    assert (answer.status_code, answer.json()["secret"]) == (200, stored.subscription.secret)

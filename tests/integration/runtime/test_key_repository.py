"""API keys in the ledger: one living key of a name, the last one that may create stays; on both engines."""

import asyncio
import hashlib
from dataclasses import replace

import pytest

from receiver.config.api_keys import ApiKeyDigest, Limits, Scope
from receiver.runtime.key_repository import FIRST_ID, KEPT_MS, USED_EVERY_MS, FirstKey, KeyRefused, StoredKey
from receiver.runtime.store import Store
from receiver.store.audit import AuditSearch
from tests.support.builders import T0

EVERY = frozenset(Scope)


def a_key(name: str = "ci", number: int = 1, **changes: object) -> StoredKey:
    key = StoredKey(
        id=f"key_{number:026}",
        name=name,
        scopes=EVERY,
        sha256=hashlib.sha256(f"{name} {number}".encode()).digest(),
        created_ms=T0,
        created_by="key all",
    )
    return replace(key, **changes)  # type: ignore[arg-type]  # any field


LIMITED = a_key(
    "farm",
    2,
    scopes=frozenset({Scope.OPERATE, Scope.READ}),
    limits=Limits(providers=frozenset({"hiapi", "dashscope"}), label=("team", "films")),
)


async def revoke(store: Store, key: StoredKey, *settings_keys: ApiKeyDigest) -> StoredKey | KeyRefused | None:
    return await store.keys.revoke(key.id, settings_keys=settings_keys, actor="key all", now_ms=T0 + 5)


async def living(store: Store) -> tuple[StoredKey, ...]:
    found = await store.keys.living_since(-1)
    assert found is not None
    return found.keys


async def test_a_key_is_read_as_it_was_stored_and_the_audit_says_who_created_it(store: Store) -> None:
    for key in (a_key(), LIMITED):
        assert await store.keys.add(key, now_ms=T0) is None
        assert await store.keys.find(key.id) == key
    assert await living(store) == (a_key(), LIMITED)
    rows = (await store.audit.page(AuditSearch(action="key created"))).rows
    assert [(row.actor, row.detail["name"], row.detail["label"]) for row in rows] == [
        ("key all", "farm", "team=films"),
        ("key all", "ci", None),
    ]


async def test_a_version_says_whether_keys_have_changed(store: Store) -> None:
    await store.keys.add(a_key(), now_ms=T0)
    found = await store.keys.living_since(-1)
    assert found is not None
    assert await store.keys.living_since(found.version) is None
    await store.keys.used({a_key().id: T0})
    assert await store.keys.living_since(found.version) is None
    await store.keys.add(LIMITED, now_ms=T0)
    changed = await store.keys.living_since(found.version)
    assert changed is not None
    assert len(changed.keys) == 2


async def test_a_name_belongs_to_one_living_key_and_is_free_again_when_it_was_revoked(store: Store) -> None:
    await store.keys.add(a_key(), now_ms=T0)
    await store.keys.add(a_key("ops", 9), now_ms=T0)
    refused = await store.keys.add(a_key(number=3), now_ms=T0)
    assert isinstance(refused, KeyRefused)
    assert "ci already" in refused.reason
    assert isinstance(await revoke(store, a_key()), StoredKey)
    assert await store.keys.living("ci") is None
    assert await store.keys.add(a_key(number=3), now_ms=T0) is None
    assert await store.keys.living("ci") == a_key(number=3)


async def test_two_that_create_a_name_at_once_make_one_key(store: Store) -> None:
    results = await asyncio.gather(*(store.keys.add(a_key(number=each), now_ms=T0) for each in (1, 2, 3)))
    assert [each is None for each in results].count(True) == 1
    assert len(await living(store)) == 1


async def test_a_revoked_key_is_found_and_no_longer_living_and_revoking_it_again_changes_nothing(store: Store) -> None:
    await store.keys.add(a_key(), now_ms=T0)
    await store.keys.add(LIMITED, now_ms=T0)
    revoked = replace(LIMITED, revoked_ms=T0 + 5)
    assert await revoke(store, LIMITED) == revoked
    assert await store.keys.revoke(LIMITED.id, settings_keys=(), actor="x", now_ms=T0 + 9) == revoked
    assert await store.keys.find(LIMITED.id) == revoked
    assert await living(store) == (a_key(),)
    assert [row.actor for row in (await store.audit.page(AuditSearch(action="key revoked"))).rows] == ["key all"]


async def test_there_is_nothing_to_revoke_under_an_unknown_id(store: Store) -> None:
    assert await revoke(store, a_key()) is None


@pytest.mark.parametrize(
    "other",
    [a_key("read", 5, scopes=frozenset({Scope.READ})), replace(LIMITED, scopes=EVERY)],
    ids=lambda key: key.name,
)
async def test_the_last_key_that_may_create_another_stays(store: Store, other: StoredKey) -> None:
    await store.keys.add(a_key(), now_ms=T0)
    await store.keys.add(other, now_ms=T0)
    refused = await revoke(store, a_key())
    assert isinstance(refused, KeyRefused)
    assert "Create another first" in refused.reason
    setting = ApiKeyDigest(name="set", scopes=frozenset({Scope.OPERATE}), sha256=b"\x00" * 32)
    assert isinstance(await revoke(store, a_key(), setting), StoredKey)


async def test_of_two_keys_that_are_revoked_at_once_one_stays(store: Store) -> None:
    keys = a_key(), a_key("ops", 2)
    for key in keys:
        await store.keys.add(key, now_ms=T0)
    results = await asyncio.gather(*(revoke(store, key) for key in keys))
    assert {type(each) for each in results} == {StoredKey, KeyRefused}
    assert len(await living(store)) == 1


async def test_the_first_key_is_made_once_and_never_again(store: Store) -> None:
    first = a_key("first", id=FIRST_ID, created_by="the first start")
    another = replace(first, sha256=b"\x01" * 32)
    assert await store.keys.add_first(first) is FirstKey.MADE
    assert await store.keys.add_first(another) is FirstKey.NOT_NEEDED
    of_settings = ApiKeyDigest(name="ops", scopes=EVERY, sha256=b"\x02" * 32)
    assert isinstance(await revoke(store, first, of_settings), StoredKey)
    await store.keys.add(a_key("later", 7, scopes=frozenset({Scope.READ})), now_ms=T0 + 2 * KEPT_MS)
    assert await store.keys.add_first(another) is FirstKey.IMPOSSIBLE
    assert [key.name for key in await living(store)] == ["later"]


async def test_the_first_key_is_made_beside_keys_that_may_not_create_another(store: Store) -> None:
    await store.keys.add(a_key("a", 4, scopes=frozenset({Scope.READ})), now_ms=T0)
    await store.keys.add(LIMITED, now_ms=T0)
    first = a_key("first", id=FIRST_ID)
    of_settings = ApiKeyDigest(name="reader", scopes=frozenset({Scope.READ}), sha256=b"\x02" * 32)
    assert await store.keys.add_first(first, settings_keys=[of_settings]) is FirstKey.IMPOSSIBLE
    assert await store.keys.add_first(first) is FirstKey.MADE


async def test_the_first_key_is_not_made_where_another_may_create_one(store: Store) -> None:
    of_settings = ApiKeyDigest(name="ops", scopes=EVERY, sha256=b"\x02" * 32)
    first = a_key("first", id=FIRST_ID)
    assert await store.keys.add_first(first, settings_keys=[of_settings]) is FirstKey.NOT_NEEDED
    await store.keys.add(a_key(), now_ms=T0)
    assert await store.keys.add_first(first) is FirstKey.NOT_NEEDED


async def test_a_revoked_key_is_forgotten_after_ninety_days(store: Store) -> None:
    for key in (a_key(), LIMITED):
        await store.keys.add(key, now_ms=T0)
    await revoke(store, LIMITED)
    await store.keys.add(a_key("a", 3), now_ms=T0 + 5 + KEPT_MS)
    assert await store.keys.find(LIMITED.id) is not None
    await store.keys.add(a_key("b", 4), now_ms=T0 + 6 + KEPT_MS)
    assert await store.keys.find(LIMITED.id) is None


async def test_a_use_is_stored_at_most_once_a_minute_whichever_process_saw_it(store: Store) -> None:
    await store.keys.add(a_key(), now_ms=T0)
    seen = []
    for at_ms in (T0, T0 + 1, T0 + USED_EVERY_MS - 1, T0 + USED_EVERY_MS, T0 + USED_EVERY_MS + 1):
        await store.keys.used({a_key().id: at_ms, "key_gone": at_ms})
        found = await store.keys.find(a_key().id)
        assert found is not None
        seen.append(found.last_used_ms)
    assert seen == [T0, T0, T0, T0 + USED_EVERY_MS, T0 + USED_EVERY_MS]


async def test_pages_are_newest_first_and_hold_those_that_were_revoked(store: Store) -> None:
    for number in range(1, 6):
        await store.keys.add(a_key(f"k{number}", number), now_ms=T0)
    await revoke(store, a_key("k2", 2))
    page = await store.keys.page(limit=3)
    rest = await store.keys.page(limit=3, cursor=page.next_cursor)
    assert [key.name for key in (*page.items, *rest.items)] == ["k5", "k4", "k3", "k2", "k1"]
    assert rest.next_cursor is None

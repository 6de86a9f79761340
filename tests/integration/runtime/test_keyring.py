"""Which keys work in a process: what others create and revoke is known here soon, at a bounded cost."""

import asyncio
from pathlib import Path

import pytest

from receiver.config.api_keys import ApiKeyDigest, Scope
from receiver.runtime.key_repository import FIRST_ID, StoredKey
from receiver.runtime.keyring import Keyring
from receiver.runtime.keys import digest_of
from receiver.runtime.store import Store, open_store
from receiver.store.errors import StoreUnavailable
from tests.support.builders import T0


def a_key(name: str, key: str, key_id: str | None = None) -> StoredKey:
    return StoredKey(
        id=key_id or f"key_{name}",
        name=name,
        scopes=frozenset(Scope),
        sha256=digest_of(key),
        created_ms=T0,
        created_by="key all",
    )


SETTING = ApiKeyDigest(name="set", scopes=frozenset({Scope.READ}), sha256=digest_of("the-key-of-the-settings"))


def keyring(store: Store, *settings_keys: ApiKeyDigest) -> Keyring:
    return Keyring(settings_keys=settings_keys, repository=store.keys, clock=lambda: T0)


async def revoke(store: Store, key: StoredKey) -> None:
    assert isinstance(
        await store.keys.revoke(key.id, settings_keys=(SETTING, a_key("x", "x")), actor="x", now_ms=T0), StoredKey
    )


async def test_a_key_that_another_process_creates_works_at_once(store: Store) -> None:
    here = keyring(store, SETTING)
    assert await here.find(b"the-key-of-ci") is None
    key = a_key("ci", "the-key-of-ci")
    await store.keys.add(key, now_ms=T0)
    assert here.known(b"the-key-of-ci") is None
    assert await here.find(b"the-key-of-ci") == key
    assert await here.find(b"the-key-of-the-settings") == SETTING


async def test_a_key_that_another_process_revokes_stops_working_without_a_request_for_it(store: Store) -> None:
    key, here = a_key("ci", "the-key-of-ci"), keyring(store)
    await store.keys.add(key, now_ms=T0)
    await here.refresh()
    assert here.is_working(key)
    await revoke(store, key)
    running = asyncio.create_task(here.run())
    async with asyncio.timeout(60):
        while here.known(b"the-key-of-ci") is not None:
            await asyncio.sleep(0.02)
    running.cancel()
    assert not here.is_working(key)


async def test_another_key_of_the_same_name_is_not_the_same_key(store: Store) -> None:
    key, here = a_key("ci", "the-key-of-ci"), keyring(store)
    await store.keys.add(key, now_ms=T0)
    await revoke(store, key)
    await store.keys.add(a_key("ci", "another", "key_ci2"), now_ms=T0)
    await here.refresh()
    assert not here.is_working(key)


async def test_the_key_of_the_first_start_does_not_work_beside_keys_of_the_settings(store: Store) -> None:
    await store.keys.add_first(a_key("first", "the-first-key", FIRST_ID))
    assert await keyring(store).find(b"the-first-key") is not None
    assert await keyring(store, SETTING).find(b"the-first-key") is None


async def test_strangers_with_wrong_keys_share_few_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    here, engine, reads = keyring(store), type(store.engine), 0
    genuine = engine.read

    async def counted(self: object, work: object) -> object:
        nonlocal reads
        reads += 1
        return await genuine(self, work)  # type: ignore[arg-type]  # whatever the repository hands on

    monkeypatch.setattr(engine, "read", counted)
    found = await asyncio.gather(*(here.find(b"wrong %d" % number) for number in range(500)))
    assert set(found) == {None}
    assert 1 <= reads <= 2


async def test_a_new_key_is_found_by_a_request_that_came_while_an_earlier_read_was_under_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that began before the key was there must not answer for a request that came after."""
    here, engine = keyring(store), type(store.engine)
    genuine, has_read, may_return = engine.read, asyncio.Event(), asyncio.Event()

    async def held(self: object, work: object) -> object:
        found: object = await genuine(self, work)  # type: ignore[arg-type]  # whatever the repository hands on
        has_read.set()
        await may_return.wait()
        return found

    monkeypatch.setattr(engine, "read", held)
    stranger = asyncio.create_task(here.find(b"wrong"))
    await has_read.wait()
    await store.keys.add(a_key("ci", "the-key-of-ci"), now_ms=T0)
    request = asyncio.create_task(here.find(b"the-key-of-ci"))
    await asyncio.sleep(0)
    may_return.set()
    assert await stranger is None
    assert await request is not None


async def test_keys_work_on_while_the_ledger_cannot_be_read_and_an_unknown_one_is_not_called_wrong(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, here = a_key("ci", "the-key-of-ci"), keyring(store)
    await store.keys.add(key, now_ms=T0)
    await here.refresh()

    async def away(_self: object, _work: object) -> object:
        raise StoreUnavailable("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(store.engine), "read", away)
        assert await here.find(b"the-key-of-ci") == key
        with pytest.raises(StoreUnavailable):
            await here.find(b"unknown")
    assert await here.find(b"unknown") is None


async def test_uses_are_stored_once_a_minute_and_those_of_the_settings_never(store: Store) -> None:
    now_ms = T0
    here = Keyring(settings_keys=(SETTING,), repository=store.keys, clock=lambda: now_ms)
    await store.keys.add(a_key("ci", "the-key-of-ci"), now_ms=T0)
    stored = []
    for at_ms in (T0, T0 + 30_000, T0 + 61_000):
        now_ms = at_ms
        assert await here.find(b"the-key-of-ci")
        assert await here.find(b"the-key-of-the-settings")
        await here.store_uses()
        found = await store.keys.find("key_ci")
        assert found is not None
        stored.append(found.last_used_ms)
    assert stored == [T0, T0, T0 + 61_000]


async def test_a_restored_ledger_has_its_own_keys(tmp_path: Path) -> None:
    """The version of a backup is lower, and a lower one counts as another one."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with open_store(url, clock=lambda: T0, migrating=True) as store:
        for number in range(3):
            await store.keys.add(a_key(f"k{number}", f"key {number}"), now_ms=T0)
        here = keyring(store)
        await here.refresh()
        assert len(here.keys) == 3

        async def step_back(tx: object) -> None:
            await tx.execute("set_counter", name="api_keys", value=1)  # type: ignore[attr-defined]  # a Tx

        await revoke(store, a_key("k0", "key 0"))
        await store.engine.write(step_back)
        await here.refresh()
        assert [key.name for key in here.keys] == ["k1", "k2"]

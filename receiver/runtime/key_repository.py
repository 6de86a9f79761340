"""Keys of the API in the ledger: create, revoke and list them, and note when they were used. Digests only."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from receiver.config.api_keys import ApiKeyDigest, Scope, limits_of
from receiver.store.audit import AuditEntry, record_audit
from receiver.store.codec import Row, to_json
from receiver.store.engine import NEWEST, Engine, Reader, Tx, Value
from receiver.store.ids import IdMaker
from receiver.store.repository import Page, Repository

FIRST_ID = f"key_{'0' * 26}"  # of the key that the first start makes

FIRST_NAME = "first"

LIVING_MOST = 1000  # because every process holds them

KEPT_MS = 90 * 86_400_000  # after the end of a key; its audit rows stay

USED_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey(ApiKeyDigest):
    """A key of the ledger. Times are unix milliseconds."""

    id: str
    #: None for the first key of a ledger that an earlier version made.
    created_ms: int | None
    created_by: str
    last_used_ms: int | None = None
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingKeys:
    """Keys that were not revoked, as of a version."""

    version: int
    keys: tuple[StoredKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRefused:
    """Nothing was changed."""

    reason: str


class FirstKey(Enum):
    """What became of the key of the first start."""

    MADE = auto()
    NOT_NEEDED = auto()
    #: It was revoked, its name is taken, or it would not work beside the keys of the settings.
    IMPOSSIBLE = auto()


class KeyRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker) -> None:
        super().__init__(engine)
        self._new_id = new_id

    def new_key_id(self, now_ms: int) -> str:
        return self._new_id("key", now_ms)

    async def living_since(self, version: int) -> LivingKeys | None:
        """None when no key was created or revoked since that version."""

        async def work(reader: Reader) -> LivingKeys | None:
            row = await reader.fetch_one("api_keys_version")
            found = int((row or {})["value"])
            if found == version:
                return None
            rows = await reader.fetch_all("living_api_keys")
            return LivingKeys(version=found, keys=tuple(map(_stored_key, rows)))

        return await self._engine.read(work)

    async def add_first(self, key: StoredKey, *, settings_keys: Sequence[ApiKeyDigest] = ()) -> FirstKey:
        """Store the key of the first start where no key may create another one."""

        async def work(tx: Tx) -> FirstKey:
            await tx.execute("bump_api_keys_version")
            living = working(settings_keys, map(_stored_key, await tx.fetch_all("living_api_keys")))
            if any(map(_may_create, living)):
                return FirstKey.NOT_NEEDED
            is_made = not settings_keys and await tx.execute_and_count("insert_api_key", **_row(key))
            return FirstKey.MADE if is_made else FirstKey.IMPOSSIBLE

        return await self._engine.write(work)

    async def add(self, key: StoredKey, *, now_ms: int) -> KeyRefused | None:
        """Store a new key with its audit row."""

        async def work(tx: Tx) -> KeyRefused | None:
            await tx.execute("bump_api_keys_version")
            await tx.execute("forget_revoked_api_keys", before_ms=now_ms - KEPT_MS, first=FIRST_ID)
            if len(await tx.fetch_all("living_api_keys")) >= LIVING_MOST:
                return KeyRefused(reason=f"There are {LIVING_MOST} keys, as many as there may be. Revoke one first.")
            if not await tx.execute_and_count("insert_api_key", **_row(key)):
                return KeyRefused(reason=f"There is a key {key.name} already. Revoke it first, or take another name.")
            detail = {
                "key": key.id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "providers": None if key.limits.providers is None else sorted(key.limits.providers),
                "label": None if key.limits.label is None else "=".join(key.limits.label),
            }
            entry = AuditEntry(actor=key.created_by, action="key created", detail=detail)
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            return None

        return await self._engine.write(work)

    async def revoke(
        self, key_id: str, *, settings_keys: Sequence[ApiKeyDigest], actor: str, now_ms: int
    ) -> StoredKey | KeyRefused | None:
        """End a key. None when there is none of that id; one that was revoked before is returned as it is.

        The last key that may create another one stays.
        """

        async def work(tx: Tx) -> StoredKey | KeyRefused | None:
            await tx.execute("bump_api_keys_version")
            row = await tx.fetch_one("api_key_by_id", id=key_id)
            if row is None or row["revoked_ms"] is not None:
                return None if row is None else _stored_key(row)
            key = _stored_key(row)
            living = working(settings_keys, map(_stored_key, await tx.fetch_all("living_api_keys")))
            if _may_create(key) and not any(_may_create(each) for each in living if each.id != key_id):
                why = f"{key.name} is the last key with the scope operate and without limits. Create another first."
                return KeyRefused(reason=why)
            await tx.execute("revoke_api_key", id=key_id, now_ms=now_ms)
            entry = AuditEntry(actor=actor, action="key revoked", detail={"key": key_id, "name": key.name})
            await record_audit(tx, self._new_id, entry, now_ms=now_ms)
            return _stored_key({**row, "revoked_ms": now_ms})

        return await self._engine.write(work)

    async def find(self, key_id: str) -> StoredKey | None:
        """Also one that was revoked."""
        return await self._one("api_key_by_id", _stored_key, id=key_id)

    async def living(self, name: str) -> StoredKey | None:
        """The one of a name that was not revoked."""
        return await self._one("living_api_key", _stored_key, name=name)

    async def page(self, *, limit: int, cursor: str | None = None) -> Page[StoredKey]:
        """Newest first, those that were revoked included."""
        return await self._page("api_keys_page", _stored_key, lambda key: key.id, limit, {"cursor": cursor or NEWEST})

    async def used(self, times: Mapping[str, int]) -> None:
        """Store when keys were used, by id, unless another process has within USED_EVERY_MS. Power loss may undo it."""
        rows: list[dict[str, Value]] = [
            {"id": key_id, "used_ms": at_ms, "before_ms": at_ms - USED_EVERY_MS}
            for key_id, at_ms in sorted(times.items())
        ]
        await self._engine.write(lambda tx: tx.execute_many("use_api_key", rows), is_durable=False)


def working(settings_keys: Sequence[ApiKeyDigest], living: Iterable[StoredKey]) -> tuple[ApiKeyDigest, ...]:
    """The keys that open something. That of the first start does not once there are keys in the settings."""
    return *settings_keys, *(key for key in living if key.id != FIRST_ID or not settings_keys)


def _may_create(key: ApiKeyDigest) -> bool:
    return Scope.OPERATE in key.scopes and not key.limits.are_set


def _row(key: StoredKey) -> dict[str, Any]:
    limits = {name: None if value is None else to_json(value) for name, value in key.limits.json_values().items()}
    return {
        "id": key.id,
        "name": key.name,
        "sha256": key.sha256.hex(),
        "scopes": to_json(sorted(key.scopes)),
        **limits,
        "created_ms": key.created_ms,
        "created_by": key.created_by,
        "last_used_ms": key.last_used_ms,
        "revoked_ms": key.revoked_ms,
    }


def _stored_key(row: Row) -> StoredKey:
    return StoredKey(
        id=row["id"],
        name=row["name"],
        sha256=bytes.fromhex(row["sha256"]),
        scopes=frozenset(map(Scope, json.loads(row["scopes"]))),
        limits=limits_of(
            {name: None if row[name] is None else json.loads(row[name]) for name in ("providers", "label")}
        ),
        created_ms=row["created_ms"],
        created_by=row["created_by"],
        last_used_ms=row["last_used_ms"],
        revoked_ms=row["revoked_ms"],
    )

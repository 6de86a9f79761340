"""Named values that are stored with the ledger: the secret keys and the digest of the first API key."""

from receiver.store.engine import Engine, Tx


class MetadataRepository:
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_or_create(self, name: str, value: str) -> str:
        """The stored value, which is this one if the name had none. Processes that start at once get the same."""

        async def work(tx: Tx) -> str:
            await tx.execute("insert_metadata", name=name, value=value)
            row = await tx.fetch_one("metadata_value", name=name)
            return str((row or {})["value"])

        return await self._engine.write(work)

    async def find(self, name: str) -> str | None:
        """None when the name has no value."""
        row = await self._engine.read(lambda reader: reader.fetch_one("metadata_value", name=name))
        return None if row is None else str(row["value"])

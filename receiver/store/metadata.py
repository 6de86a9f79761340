"""Named values that are stored with the ledger: the secret keys and the digest of the first API key."""

from receiver.store.engine import Tx
from receiver.store.repository import Repository


class MetadataRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    async def get_or_create(self, name: str, value: str) -> str:
        """The stored value, which is this one if the name had none. Processes that start at once get the same."""

        async def work(tx: Tx) -> str:
            await tx.execute("insert_metadata", name=name, value=value)
            row = await tx.fetch_one("metadata_value", name=name)
            return str((row or {})["value"])

        return await self._engine.write(work)

    async def find(self, name: str) -> str | None:
        """None when the name has no value."""
        return await self._one("metadata_value", lambda row: str(row["value"]), name=name)

"""Values that are made once and kept with the ledger: secret keys and the first API key's digest."""

from receiver.store.engine import Engine, Tx


class MetadataRepository:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def keep(self, name: str, value: str) -> str:
        """What is kept under the name: this value, or the one that came first. Processes that start at once agree."""

        async def work(tx: Tx) -> str:
            await tx.execute("keep", name=name, value=value)
            row = await tx.fetch_one("kept_value", name=name)
            return str((row or {})["value"])

        return await self._engine.write(work)

    async def find(self, name: str) -> str | None:
        row = await self._engine.read(lambda reader: reader.fetch_one("kept_value", name=name))
        return None if row is None else str(row["value"])

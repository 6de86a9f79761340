"""Which providers' callbacks are known to be missed, and the event that says so once."""

from receiver.store.engine import Engine, Tx
from receiver.store.ids import IdMaker
from receiver.store.repository import Repository
from receiver.webhooks.model.provider_events import missed_draft
from receiver.webhooks.publisher import EventPublisher

_NAME = "callbacks_missed/{}"  # in the metadata, by provider


class MissedCallbackRepository(Repository):
    """Each verb is one transaction and raises StoreUnavailable as a whole."""

    def __init__(self, engine: Engine, new_id: IdMaker, publisher: EventPublisher) -> None:
        super().__init__(engine)
        self._new_id = new_id
        self._publisher = publisher

    async def began(self, provider: str, *, missed: int, of: int | None, minutes: int, now_ms: int) -> bool:
        """Publish `callbacks.missed`, unless it was published and has not ended since. Return whether it was.

        `of`: how many were expected; None where none was taken.
        """

        async def work(tx: Tx) -> bool:
            name = _NAME.format(provider)
            if not await tx.execute_and_count("insert_metadata", name=name, value=str(now_ms)):
                return False
            draft = missed_draft(self._new_id("evt", now_ms), provider, missed=missed, of=of, minutes=minutes)
            await self._publisher.publish(tx, [draft], now_ms=now_ms)
            return True

        return await self._engine.write(work)

    async def ended(self, provider: str) -> bool:
        """They come: the next time that they are missed is told again. Return whether they were missed."""
        name = _NAME.format(provider)
        if await self._one("metadata_value", dict, name=name) is None:
            return False

        async def work(tx: Tx) -> bool:
            return bool(await tx.execute_and_count("remove_metadata", name=name))

        return await self._engine.write(work)

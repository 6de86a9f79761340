"""Which events a service has stored."""

from typing import NamedTuple

from submitter.client.client import Client
from submitter.errors import CursorExpired


class StoredNumbers(NamedTuple):
    """All stored events come after `oldest_after`; `newest` is the number of the last one."""

    oldest_after: int
    newest: int


async def stored_numbers(client: Client) -> StoredNumbers:
    try:
        return StoredNumbers(0, (await client.events.list(after=0, limit=1)).newest)
    except CursorExpired as error:
        page = await client.events.list(after=error.oldest_after, limit=1)
        return StoredNumbers(error.oldest_after, page.newest)

"""Submits to a provider whose documents name two paths: where one is not served, the POST goes to the other."""

from collections.abc import Awaitable, Callable

from submitter.http.messages import HttpCall, HttpReply, is_success
from submitter.providers.contract import ConfiguredProvider
from submitter.providers.registry import HAS_TWO_PATHS

Send = Callable[[HttpCall], Awaitable[HttpReply]]


class RememberedPaths:
    """Which of the two paths each account is served on, as its last receipt showed. One for a process."""

    def __init__(self) -> None:
        self._is_on_other: dict[str, bool] = {}

    async def send(self, configured: ConfiguredProvider, call: HttpCall, send: Send) -> HttpReply:
        """Send a submit, and once more to the other path where the reply says that there is no such route.

        The second POST pays for nothing twice, because a missing route creates nothing. Raise what `send` raises.
        """
        adapter, account = HAS_TWO_PATHS.get(configured.account.adapter), configured.account.name
        if adapter is None:
            return await send(call)
        other = adapter.build_other_submit(call)
        other_first = self._is_on_other.get(account, False)
        reply = await send(other if other_first else call)
        if not adapter.has_no_route(reply):
            return reply
        reply = await send(call if other_first else other)
        if is_success(reply.status):
            self._is_on_other[account] = not other_first
        return reply

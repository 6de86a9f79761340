"""Hand on a picture or a film from elsewhere, so that a browser or a caller fetches from nobody but us."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from receiver.tasks.file_requests import FileRequests
from receiver.tasks.media import AT_ONCE, Media, NoMedia, open_media
from receiver.web.problems import FULL_RETRY_S, Kind, Problem, with_retry_after
from receiver.web.streaming import Disconnect, EndedEarly
from submitter.errors import AddressForbidden, TransportError
from submitter.model import Output

OF_ONE_KEY = AT_ONCE // 2

READ_WITHIN_S = 30.0  # a client that takes nothing for so long is cut, because others wait for its slot

AT_LEAST_S = 600.0  # how long any file may take

SLOWEST_BYTES_S = 64 * 1024  # a larger file may take as long as it takes at this rate


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file of others, and how it is asked for."""

    requests: FileRequests
    output: Output
    #: As the caller's `Range` has it.
    range: str | None
    #: It is saved as this; None: it is shown.
    file_name: str | None
    #: Whose slot it takes; None: a person at the dashboard, who has no share of his own.
    holder: str | None


class MediaSlots:
    """How many are handed on now. One for a process."""

    def __init__(self) -> None:
        self.taken = 0
        self._of_holders: Counter[str] = Counter()

    def refusal(self, holder: str | None) -> str | None:
        """Why there is no slot, in a sentence; None where there is one."""
        if self.taken >= AT_ONCE:
            return f"{AT_ONCE} files are being handed on already."
        if holder is not None and self._of_holders[holder] >= OF_ONE_KEY:
            return f"{OF_ONE_KEY} files are being handed on to {holder} already."
        return None

    @contextmanager
    def holding(self, holder: str | None) -> Iterator[None]:
        counted = () if holder is None else (holder,)
        self.taken += 1
        self._of_holders.update(counted)
        try:
            yield
        finally:
            self.taken -= 1
            self._of_holders.subtract(counted)
            self._of_holders += Counter()  # without those that hold none


class MediaStream(Response):
    """One picture or film. A reply that cannot be handed on is a problem that says why."""

    def __init__(
        self,
        wanted: WantedFile,
        *,
        slots: MediaSlots,
        headers: Mapping[str, str],
        to_answer: Callable[[Scope, Problem], Response],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({})
        self._wanted = wanted
        self._slots = slots
        self._own_headers = headers
        self._to_answer = to_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._slots.refusal(self._wanted.holder)
        if refusal is not None:
            problem = Problem(Kind.OTHER, refusal, status=503)
            await self._to_answer(scope, with_retry_after(problem, FULL_RETRY_S))(scope, receive, send)
            return
        with self._slots.holding(self._wanted.holder):
            await self._hand_on(scope, receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun, wanted, disconnect = False, self._wanted, Disconnect()

        async def taken(message: Message) -> None:
            try:
                async with asyncio.timeout(READ_WITHIN_S):
                    await send(message)
            except TimeoutError:
                disconnect.trigger()  # the server closes a connection whose answer is not whole

        try:
            opening = open_media(wanted.requests, wanted.output, wanted.range)
            async with asyncio.timeout(AT_LEAST_S) as limit, disconnect.watched(receive), opening as media:
                has_begun = True
                await taken({"type": "http.response.start", "status": media.status, "headers": self._head(media)})
                if scope["method"] != "HEAD":
                    until = asyncio.get_running_loop().time()
                    async for chunk in media.chunks:
                        until += len(chunk) / SLOWEST_BYTES_S
                        if until > (limit.when() or 0.0):
                            limit.reschedule(until)
                        await taken({"type": "http.response.body", "body": chunk, "more_body": True})
                await taken({"type": "http.response.body", "body": b"", "more_body": False})
        except (NoMedia, TransportError, TimeoutError) as error:
            if has_begun:
                raise EndedEarly("the file ended early") from error
            problem = Problem(Kind.OTHER, _words(error), status=502)
            await self._to_answer(scope, problem)(scope, receive, send)

    def _head(self, media: Media) -> list[tuple[bytes, bytes]]:
        headers = {**self._own_headers, **media.headers}
        if self._wanted.file_name is not None:
            headers["Content-Disposition"] = f'attachment; filename="{self._wanted.file_name}"'
        return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def _words(error: Exception) -> str:
    match error:
        case NoMedia():
            return str(error)
        case AddressForbidden():
            return f"The address may not be reached from here: {error}."
        case _:
            return f"It does not answer: {str(error) or type(error).__name__}."

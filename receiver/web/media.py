"""Hand on a picture or a film from elsewhere, so that a browser or a caller fetches from nobody but us."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from receiver.tasks.file_requests import FileRequests
from receiver.tasks.media import AT_ONCE, WHOLE_S, Media, NoMedia, open_media
from receiver.web.problems import FULL_RETRY_S, Kind, Problem, with_retry_after
from receiver.web.streaming import Disconnect, EndedEarly
from submitter.errors import AddressForbidden, TransportError
from submitter.model import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file of others, and how it is asked for."""

    requests: FileRequests
    output: Output
    #: As the caller's `Range` has it.
    range: str | None
    #: It is saved as this; None: it is shown.
    file_name: str | None


class MediaSlots:
    """How many are handed on now. One for a process."""

    def __init__(self) -> None:
        self.taken = 0


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
        if self._slots.taken >= AT_ONCE:
            problem = Problem(Kind.OTHER, f"{AT_ONCE} files are being handed on already.", status=503)
            await self._to_answer(scope, with_retry_after(problem, FULL_RETRY_S))(scope, receive, send)
            return
        self._slots.taken += 1
        try:
            await self._hand_on(scope, receive, send)
        finally:
            self._slots.taken -= 1

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun, wanted = False, self._wanted
        try:
            opening = open_media(wanted.requests, wanted.output, wanted.range)
            async with asyncio.timeout(WHOLE_S), opening as media:
                await send({"type": "http.response.start", "status": media.status, "headers": self._head(media)})
                has_begun = True
                async with Disconnect().watched(receive):
                    if scope["method"] != "HEAD":
                        async for chunk in media.chunks:
                            await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
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

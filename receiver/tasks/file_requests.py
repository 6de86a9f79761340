"""Request a file whose address a provider or a caller names.

The account's key is sent only to the host that the adapter names, which is the provider's own. Any other host is
reached through the address guard that webhooks have, because the address comes from outside. So is every address that
a redirect names, without the key.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from submitter.errors import WhenfinalError
from submitter.http.messages import Headers, HttpCall
from submitter.http.transport import FileReply, Transport
from submitter.model import Output
from submitter.providers.contract import Account, ServesFiles
from submitter.providers.json_reader import origin

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FileNotReached(WhenfinalError):
    """An address, or one that a redirect names, is not requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where a file is."""

    output: Output
    #: Every address up to this one is the provider's own.
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileRequests:
    """Requests for files of one account's tasks."""

    #: None: no key is sent to anybody.
    account: Account | None
    #: The adapter, where the provider serves files itself.
    files: ServesFiles | None
    #: Reaches the provider's own host.
    own: Transport
    #: Reaches any other host, through the address guard.
    guarded: Transport

    @asynccontextmanager
    async def open(
        self, output: Output, headers: Headers = (), *, idle_s: float
    ) -> AsyncIterator[tuple[FileReply, FilePlace]]:
        """Give the first reply that is no redirect, and where it is from.

        Raise FileNotReached or a kind of TransportError, the latter also while the chunks are read.
        """
        is_own = self.account is not None
        url = output.url
        for _ in range(MOST_REDIRECTS + 1):
            if origin(url) is None:
                raise FileNotReached("the address is not http(s)")
            is_own = is_own and self.account is not None and origin(url) == origin(self.account.base_url)
            place = FilePlace(output=replace(output, url=url), is_own=is_own)
            async with self.open_at(place, headers, idle_s=idle_s) as reply:
                if reply.status not in _REDIRECTS:
                    yield reply, place
                    return
                url = _target(url, reply)
        raise FileNotReached(f"{host_of(output.url)} redirects more than {MOST_REDIRECTS} times")

    def open_at(self, place: FilePlace, headers: Headers, *, idle_s: float) -> AbstractAsyncContextManager[FileReply]:
        """Give the reply of one address, whatever it is. Raise a kind of TransportError."""
        call = HttpCall(method="GET", url=place.output.url)
        if place.is_own and self.files is not None and self.account is not None:
            call = self.files.build_download(place.output, self.account)
        transport = self.own if place.is_own else self.guarded
        return transport.stream(replace(call, headers=(*call.headers, *headers)), idle_s=idle_s)


def host_of(url: str) -> str:
    return urlsplit(url).hostname or "the server"


def _target(url: str, reply: FileReply) -> str:
    """Return where a redirect leads. Raise FileNotReached for no http address, and for a step from https to http."""
    try:
        target = urljoin(url, reply.header("location") or "")
    except ValueError:
        target = ""
    if reply.header("location") is None or origin(target) is None:
        raise FileNotReached(f"{host_of(url)} answers {reply.status}, a redirect to no address")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise FileNotReached(f"{host_of(url)} redirects from https to http, which is not followed")
    return target

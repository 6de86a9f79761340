"""HTTP as plain, comparable values, so that adapters can be read and tested without a socket.

Pure. Header names are lower case in both values; a header may occur more than once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request to send. Headers carry the provider's key and are left out of the repr."""

    method: str
    url: str
    headers: Headers = field(default=(), repr=False)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A complete answer, already decompressed and within the size cap of the transport."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """First value of a header given in lower case."""
        return next(self.header_values(name), None)

    def header_values(self, name: str) -> Iterator[str]:
        return (value for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a provider posted to us: the headers and the raw body, whose bytes are what was signed."""

    headers: Headers = field(default=(), repr=False)
    body: bytes = b""

    def header_values(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.headers if key == name)

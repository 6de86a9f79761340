"""HTTP requests and replies as plain, comparable values, so that adapters can be read and tested without a socket.

Pure. Header names are lower case; a header may occur more than once.
"""

import re
from dataclasses import dataclass, field

Headers = tuple[tuple[str, str], ...]

_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")


def is_success(status: int | None) -> bool:
    """Whether a status is 2xx; None stands for no reply."""
    return status is not None and 200 <= status < 300


def read_retry_after_s(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header. The form with a date is ignored, because it needs a clock."""
    found = _SECONDS.fullmatch((value or "").strip())
    return float(found[0]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request to send. The repr omits the headers, because they carry the provider's key."""

    method: str
    url: str
    headers: Headers = field(default=(), repr=False)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message with headers, whose names are given in lower case."""

    headers: Headers = ()

    def header_values(self, name: str) -> tuple[str, ...]:
        return tuple([value for key, value in self.headers if key == name])

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply(Received):
    """A reply, unpacked and within the size cap of the transport."""

    status: int
    body: bytes = b""
    #: False where the body broke off, hung, was damaged or was longer than the cap; it then has what came before.
    is_complete: bool = True

    @property
    def retry_after_s(self) -> float | None:
        return read_retry_after_s(self.header("retry-after"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback(Received):
    """A request that a provider posted to us."""

    headers: Headers = field(default=(), repr=False)
    #: As it is read: unpacked, but not changed otherwise.
    body: bytes = b""
    #: The address that it was posted to, below the public URL that the provider was given; None: there is no such URL.
    url: str | None = field(default=None, repr=False)
    #: As it came, where that is packed.
    packed: bytes | None = field(default=None, repr=False)

    @property
    def signed_forms(self) -> tuple[bytes, ...]:
        """The bytes that a signature may cover: those that came, and those that they unpack to."""
        return (self.body,) if self.packed is None else (self.packed, self.body)

"""What every answer of the dashboard carries, and how often a wrong key may be tried."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

TRIES = 10  # wrong keys of one address at once

TRY_AGAIN_S = 6.0  # then one more after each of these

ADDRESSES = 1024  # that are remembered; the one that tried longest ago is forgotten first

#: Scripts and styles are files of ours, and nothing is fetched from elsewhere. pico.css holds its icons as data URIs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

PAGE_HEADERS: Mapping[str, str] = {
    **_EVERYWHERE,
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Vary": "Cookie, HX-Request",
}

#: The name of a file holds its hash, so its bytes never change.
FILE_HEADERS: Mapping[str, str] = {
    **_EVERYWHERE,
    "Content-Security-Policy": POLICY,
    "Cache-Control": "public, max-age=31536000, immutable",
}

#: Of a picture or a film from elsewhere. Opened by itself it is in a sandbox, where no script of it runs.
MEDIA_HEADERS: Mapping[str, str] = {
    **_EVERYWHERE,
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


@dataclass(slots=True)
class _Tries:
    left: float
    at_s: float


class SignInLimit:
    """Counts wrong keys by the address that sent them. One for a process."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        tries = self._of(address, now_s)
        return 0.0 if tries.left >= 1 else (1 - tries.left) * TRY_AGAIN_S

    def count_wrong(self, address: str, now_s: float) -> None:
        tries = self._of(address, now_s)
        tries.left -= 1
        self._tries[address] = tries
        self._tries.move_to_end(address)
        while len(self._tries) > ADDRESSES:
            self._tries.popitem(last=False)

    def _of(self, address: str, now_s: float) -> _Tries:
        known = self._tries.get(address)
        if known is None:
            return _Tries(TRIES, now_s)
        left = min(TRIES, known.left + max(0.0, now_s - known.at_s) / TRY_AGAIN_S)
        return _Tries(left, now_s)

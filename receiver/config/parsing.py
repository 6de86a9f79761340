"""One setting's text into its value.

Pure. Every reader takes stripped, non-empty text and raises `Unfit` with the rule and the cure. No message repeats
the text: a secret may stand in the wrong variable.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

from receiver.config.fields import Kind, Knob
from receiver.store.url import FORMS, read_database_url

Network = IPv4Network | IPv6Network

SCOPES = frozenset({"submit", "read", "operate"})

SHORTEST_KEY = 16  # characters of a key that is made by hand; 96 bits when they are random letters and digits

_WHOLE = re.compile(r"[0-9]{1,15}")

_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")

_VISIBLE = re.compile(r"[!-~]+")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class Unfit(ValueError):
    """The text breaks the rule; `cure` says in one line what to set."""

    def __init__(self, rule: str, *, hint: str) -> None:
        super().__init__(f"{rule}; {hint}")
        self.rule = rule
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A bearer key of our own API as it stands in the settings."""

    name: str
    scopes: frozenset[str]
    key: str = field(repr=False)


def read_url(text: str) -> str:
    """An http or https URL with a host; without user, query and fragment; no slash at its end."""
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not _is_host(parts.hostname or ""):
        raise Unfit("it is not an http or https URL", hint="set it in the form https://host or https://host/path")
    if "@" in parts.netloc:
        raise Unfit("it holds a user name or password", hint="leave out everything before the @")
    if "?" in text or "#" in text:
        raise Unfit("it has a query or fragment", hint="leave out everything from ? or # on")
    return text.rstrip("/")


def read_secret(text: str) -> str:
    """Text that can stand in a header."""
    if not _VISIBLE.fullmatch(text):
        raise Unfit("it holds blanks or characters beyond ASCII", hint="copy the key again, without quotes or blanks")
    return text


def read_number(text: str, *, low: float, high: float) -> float:
    if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
        raise Unfit(f"it is not a number from {low:g} to {high:g}", hint=f"set a number from {low:g} to {high:g}")
    return float(text)


def read_count(text: str, *, low: float, high: float) -> int:
    accepted = f"a whole number from {int(low)} to {int(high)}"
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        raise Unfit(f"it is not {accepted}", hint=f"set {accepted}")
    return int(text)


def read_choice(text: str, choices: tuple[str, ...]) -> str:
    """Upper and lower case are the same."""
    if text.lower() not in choices:
        raise Unfit("it is not one of the choices", hint=f"set one of {', '.join(choices)}")
    return text.lower()


def host_address(url: str) -> IPv4Address | IPv6Address | None:
    """The address in a URL whose host is one; None for a name."""
    try:
        return ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None


def is_loopback(url: str) -> bool:
    """Whether a well-formed URL names this machine."""
    address = host_address(url)
    return address.is_loopback if address else (urlsplit(url).hostname or "").lower() == "localhost"


def is_nearby(url: str) -> bool:
    """Loopback, a private address, or a name without a dot, as container networks give them."""
    address = host_address(url)
    if address is not None:
        return not address.is_global
    return "." not in (urlsplit(url).hostname or "")


def read_knob(knob: Knob, text: str) -> Any:  # noqa: ANN401 - the table decides the type; Settings names it
    """The value of any knob but `Kind.PROVIDERS`, whose entries need the adapters."""
    return _READERS[knob.kind](knob, text)


def entries(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas with their places, counted from 1; empty parts are left out."""
    parts = (part.strip() for part in text.split(","))
    return ((place, part) for place, part in enumerate(parts, 1) if part)


def _read_database_url(_: Knob, text: str) -> str:
    if read_database_url(text) is None:
        raise Unfit("it is not a database that this version can open", hint=FORMS)
    return text


def _read_secret_keys(_: Knob, text: str) -> tuple[str, ...]:
    keys = tuple(_long_key(place, part) for place, part in entries(text))
    if len(set(keys)) < len(keys):
        raise Unfit("it holds the same key twice", hint="name each key once, oldest to newest")
    return keys


def _read_api_keys(_: Knob, text: str) -> tuple[ApiKey, ...]:
    keys = tuple(_api_key(place, part) for place, part in entries(text))
    for what, values in (("name", [key.name for key in keys]), ("key", [key.key for key in keys])):
        if len(set(values)) < len(values):
            raise Unfit(f"it holds the same {what} twice", hint=f"give each entry its own {what}")
    return keys


def _api_key(place: int, text: str) -> ApiKey:
    name, scopes, key = (*text.split(":", 2), "", "")[:3]
    hint = "write each entry as name:scope+scope:key, scopes being submit, read and operate"
    if not _NAME.fullmatch(name):
        raise Unfit(f"entry {place} has no fit name", hint=hint)
    wanted = frozenset(scopes.split("+"))
    if not wanted <= SCOPES:
        raise Unfit(f"entry {place} names a scope that does not exist", hint=hint)
    return ApiKey(name=name, scopes=wanted, key=_long_key(place, key))


def _long_key(place: int, text: str) -> str:
    if len(text) < SHORTEST_KEY or not _VISIBLE.fullmatch(text):
        raise Unfit(
            f"the key of entry {place} is shorter than {SHORTEST_KEY} characters or holds blanks",
            hint="make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return text


def _read_networks(_: Knob, text: str) -> tuple[Network, ...]:
    return tuple(_network(place, part) for place, part in entries(text))


def _network(place: int, text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise Unfit(
            f"entry {place} is not a network", hint="write networks as 10.0.0.0/8 or fd00::/8, host bits zero"
        ) from None


def _read_numbers(knob: Knob, text: str) -> tuple[float, ...]:
    numbers = tuple(read_number(part, low=knob.low, high=knob.high) for _, part in entries(text))
    if not numbers:
        raise Unfit("it holds no number", hint=f"set numbers from {knob.low:g} to {knob.high:g}, comma between")
    return numbers


def _split(text: str) -> SplitResult:
    unfit = Unfit("it is not a URL", hint="set it in the form https://host or https://host/path")
    if not _VISIBLE.fullmatch(text) or "\\" in text:
        raise unfit
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise unfit from None
    return parts


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
    return True


_READERS: Mapping[Kind, Callable[[Knob, str], Any]] = {
    Kind.PUBLIC_URL: lambda _, text: read_url(text),
    Kind.DATABASE_URL: _read_database_url,
    Kind.SIGNING_KEYS: _read_secret_keys,
    Kind.API_KEYS: _read_api_keys,
    Kind.NETWORKS: _read_networks,
    Kind.COUNT: lambda knob, text: read_count(text, low=knob.low, high=knob.high),
    Kind.NUMBER: lambda knob, text: read_number(text, low=knob.low, high=knob.high),
    Kind.NUMBERS: _read_numbers,
    Kind.CHOICE: lambda knob, text: read_choice(text, knob.choices),
}

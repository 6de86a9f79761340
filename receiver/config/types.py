"""The types of the settings' fields: each reads the text of one environment variable.

A reader takes stripped, non-empty text and raises `InvalidValue` with the rule that the text breaks and a hint. No
message repeats the text, because a secret may stand in the wrong variable. A reader leaves anything but text as it is:
defaults are values already.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from receiver.store.url import FORMS, is_in_memory, read_database_url
from submitter.model import TaskState

Network = IPv4Network | IPv6Network

#: Characters of a key that a person made: 96 bits when they are random letters and digits.
SHORTEST_KEY = 16

LONGEST_WAIT_S = 604_800  # a week, between two attempts

_WHOLE = re.compile(r"[0-9]{1,15}")

_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")

_VISIBLE = re.compile(r"[!-~]+")

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


#: What a provider's word for a state can mean. The other states are ours.
_TAUGHT_STATES = ("submitted", "running", "succeeded", "failed", "canceled")

_STATE_WORDS_FORM = f"write entries as word=state, the state one of {', '.join(_TAUGHT_STATES)}"


class Group(StrEnum):
    """The headings of `.env.example`, in its order."""

    REACH = "Reach and storage"
    KEYS = "Keys"
    PROVIDERS = "Providers"
    SUBMITS = "Submits"
    POLLS = "Reconciling"
    WEBHOOKS = "Webhooks"
    STREAMS = "Streams"
    RETENTION = "Retention"
    LIMITS = "Limits"
    METRICS = "Metrics"
    LOGS = "Logs"
    DASHBOARD = "Dashboard"
    SHELL = "Commands against a running service"


class Section(BaseModel):
    """`hide_input_in_errors`: what a setting holds may be a secret."""

    #: The heading of its settings in `.env.example`, where a setting names no other.
    group: ClassVar[Group | Literal[""]] = ""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class InvalidValue(ValueError):
    """The text breaks a rule of its setting; `hint` says in one line what to set."""

    def __init__(self, rule: str, *, hint: str) -> None:
        super().__init__(f"{rule}; {hint}")
        self.rule = rule
        self.hint = hint


def setting(  # noqa: PLR0913 - each argument is one thing that .env.example says about a setting
    env: str,
    default: object = None,
    *,
    what: str,
    group: Group | Literal[""] = "",
    unit: str = "",
    danger: str = "",
    between: tuple[float, float] | None = None,
    secret: bool = False,
) -> Any:  # noqa: ANN401 - a field may have any annotation, as with pydantic.Field
    """A pydantic field that is read from the environment variable `env`.

    `danger` says what a bad value does; empty where none can do harm. `between` is inclusive.
    `group` is needed where it is not that of the section. A secret does not show in a repr.
    """
    low, high = between or (None, None)
    accepted = "" if between is None else f"number from {low} to {high}"
    about: JsonDict = {"env": env, "group": group, "unit": unit, "danger": danger, "accepted": accepted}
    return Field(default=default, ge=low, le=high, description=what, repr=not secret, json_schema_extra=about)


def entries(text: str) -> Iterator[tuple[int, str]]:
    """The parts between commas with their places, counted from 1; empty parts are left out."""
    parts = (part.strip() for part in text.split(","))
    return ((place, part) for place, part in enumerate(parts, 1) if part)


def _read_url(text: str) -> str:
    """An http or https URL with a host; without user, query and fragment; no slash at its end."""
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not _is_host(parts.hostname or ""):
        raise InvalidValue(
            "it is not an http or https URL", hint="set it in the form https://host or https://host/path"
        )
    if "@" in parts.netloc:
        raise InvalidValue("it holds a user name or password", hint="leave out everything before the @")
    if "?" in text or "#" in text:
        raise InvalidValue("it has a query or fragment", hint="leave out everything from ? or # on")
    return text.rstrip("/")


def _read_header_text(text: str) -> str:
    """Text that can stand in a header."""
    if not _VISIBLE.fullmatch(text):
        hint = "copy the key again, without quotes or blanks"
        raise InvalidValue("it holds blanks or characters beyond ASCII", hint=hint)
    return text


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


def _read_whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text)


def _read_decimal(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number")
    return float(text)


def _read_waits(text: str) -> tuple[float, ...]:
    parts = [part for _, part in entries(text)]
    if not parts or not all(_DECIMAL.fullmatch(part) and float(part) <= LONGEST_WAIT_S for part in parts):
        accepted = f"a comma-separated list of numbers from 0 to {LONGEST_WAIT_S}"
        raise InvalidValue(f"it is not {accepted}", hint=f"set {accepted}")
    return tuple(float(part) for part in parts)


def _read_database_url(text: str) -> str:
    if is_in_memory(text):
        raise InvalidValue("it keeps the ledger in memory, where it ends with the process", hint=FORMS)
    if read_database_url(text) is None:
        raise InvalidValue("it is not a database that this version can open", hint=FORMS)
    return text


def _read_secret_keys(text: str) -> tuple[str, ...]:
    keys = tuple(read_long_key(place, part) for place, part in entries(text))
    if len(set(keys)) < len(keys):
        raise InvalidValue("it holds the same key twice", hint="name each key once, oldest to newest")
    return keys


def read_long_key(place: int, text: str) -> str:
    """Return `text`, the key at `place` of its setting, if it is long enough and can stand in a header."""
    if len(text) < SHORTEST_KEY or not _VISIBLE.fullmatch(text):
        raise InvalidValue(
            f"the key of entry {place} is shorter than {SHORTEST_KEY} characters or holds blanks",
            hint="make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return text


def _read_networks(text: str) -> tuple[Network, ...]:
    return tuple(_network(place, part) for place, part in entries(text))


def _network(place: int, text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        hint = "write networks as 10.0.0.0/8 or fd00::/8, host bits zero"
        raise InvalidValue(f"entry {place} is not a network", hint=hint) from None


def _read_state_words(text: str) -> dict[str, TaskState]:
    """Words in lower case, because case is ignored."""
    words: dict[str, TaskState] = {}
    for place, entry in entries(text):
        word, sign, state = (part.strip().lower() for part in entry.partition("="))
        if not sign or not word or not word.isprintable():
            raise InvalidValue(f"entry {place} is not a word and a state", hint=_STATE_WORDS_FORM)
        if state not in _TAUGHT_STATES:
            raise InvalidValue(f"entry {place} names a state that no word can mean", hint=_STATE_WORDS_FORM)
        if word in words:
            raise InvalidValue(f"entry {place} has the word of an earlier one", hint="name each word once")
        words[word] = TaskState(state)
    return words


def _split(text: str) -> SplitResult:
    invalid = InvalidValue("it is not a URL", hint="set it in the form https://host or https://host/path")
    if not _VISIBLE.fullmatch(text) or "\\" in text:
        raise invalid
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise invalid from None
    return parts


def _read_host(text: str) -> str:
    """A name or an address, without a port."""
    if not _is_host(text):
        raise InvalidValue("it is not a host name or address", hint="set it in the form 127.0.0.1, ::1 or a name")
    return text


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
    return True


def from_text(reader: Callable[[str], object]) -> BeforeValidator:
    """Read a text with `reader`, and leave any other value as it is."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


Whole = Annotated[int, from_text(_read_whole)]

Decimal = Annotated[float, from_text(_read_decimal)]

Host = Annotated[str, from_text(_read_host)]

HttpUrl = Annotated[str, from_text(_read_url)]

DatabaseUrl = Annotated[str, from_text(_read_database_url)]

HeaderText = Annotated[str, from_text(_read_header_text)]

SecretKeys = Annotated[tuple[str, ...], from_text(_read_secret_keys)]

Networks = Annotated[tuple[Network, ...], from_text(_read_networks)]

StateWords = Annotated[Mapping[str, TaskState], from_text(_read_state_words)]

Waits = Annotated[tuple[float, ...], from_text(_read_waits)]

#: Goes before a `Literal`: upper and lower case are the same.
AnyCase = from_text(str.lower)

"""From Python values to the parts of a request. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from submitter.client.conversation import Call
from submitter.client.replies import read_reply
from submitter.http.messages import Headers

M = TypeVar("M", bound=BaseModel)

#: A point in time: RFC 3339, or a `datetime`, which without an offset is local time.
Moment = str | datetime

_KEY = re.compile(r"[\x21-\x7e]+")


def checked_url(url: str) -> str:
    """Return the base of all requests. Raise ValueError for what is not the URL of a receiver."""
    if not url.isprintable() or " " in url:
        raise ValueError(f"not a URL of a receiver: {url!r}; it holds blanks or control characters")
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    else:
        is_whole = is_whole and not (parts.query or parts.fragment or "@" in parts.netloc)
    if not is_whole:
        raise ValueError(
            "not a URL of a receiver; accepted: http:// or https://, a host, and perhaps a port and a path"
        )
    return url.rstrip("/") + "/"


def checked_key(key: str) -> str:
    """Return the key. Raise ValueError, whose text holds nothing of it, for one that no header can carry."""
    if not _KEY.fullmatch(key):
        raise ValueError("not an API key: it is empty, or holds a blank, a line break or another character than ASCII")
    return key


def get(path: str, model: type[M], params: Mapping[str, object] | None = None, *, extra_wait_s: float = 0.0) -> Call[M]:
    """A call that reads."""
    return Call(
        method="GET",
        path=path,
        read=partial(read_reply, model),
        params=as_params(params or {}),
        extra_wait_s=extra_wait_s,
        may_be_repeated=True,
    )


def post(path: str, model: type[M], body: object = None, *, may_be_repeated: bool = False) -> Call[M]:
    """A call that changes something; without a body, or with one that holds JSON values and models."""
    return Call(
        method="POST", path=path, read=partial(read_reply, model), json=as_json(body), may_be_repeated=may_be_repeated
    )


def api_path(*parts: str | int) -> str:
    """A path of the API. No character of a part can leave its place.

    Raise ValueError for a part that is empty or consists of dots: with it, the path would be that of something else.
    """
    texts = [str(part) for part in parts]
    wrong = next((text for text in texts if text in {"", ".", ".."}), None)
    if wrong is not None:
        raise ValueError(f"not an id or a name: {wrong!r}; accepted: any other text than '', '.' and '..'")
    return "/".join(("v1", *(quote(text, safe="") for text in texts)))


def as_params(given: Mapping[str, object]) -> Headers:
    """The query of a request. None is left out, a sequence repeats its name, a mapping holds labels."""
    return tuple((name, _text(each)) for name, value in given.items() for each in _values(value))


def _values(value: object) -> Iterable[object]:
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return [f"{name}={text}" for name, text in value.items()]
    if isinstance(value, Iterable) and not isinstance(value, str):
        return value
    return (value,)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return moment(value) if isinstance(value, datetime) else str(value)


def moment(at: datetime) -> str:
    """The time as the API writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(value: object) -> object:
    """JSON values of a request. Models give the members that were set; None in an object is left out."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, datetime):
        return moment(value)
    return value


def as_object(given: Mapping[str, object]) -> dict[str, object]:
    """A body, without the members that are None."""
    return {name: as_json(value) for name, value in given.items() if value is not None}

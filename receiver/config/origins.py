"""Origins of web pages that may read the API from a browser, as the setting names them."""

import re
from typing import Annotated

from receiver.config.types import InvalidValue, entries, from_text

_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")

_USUAL_PORTS = {("http", "80"), ("https", "443")}

_FORM = "write each as a browser sends it: https://host or https://host:port, in small letters, without a path"


def _read_origins(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_origin(place, part) for place, part in entries(text)))


def _origin(place: int, text: str) -> str:
    if text == "*":
        hint = "name each origin, because a page of any site could use a key or a token that it got hold of"
        raise InvalidValue(f"entry {place} is *", hint=hint)
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise InvalidValue(f"entry {place} is no origin", hint=_FORM)
    if (found[1], found[2]) in _USUAL_PORTS:
        raise InvalidValue(f"entry {place} has the usual port, which no browser sends", hint=_FORM)
    return text


Origins = Annotated[tuple[str, ...], from_text(_read_origins)]

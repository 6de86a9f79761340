"""Find the links of a finished task in the places where providers put them. Pure.

A place holds a link as text, an object with the link in one of `_MEMBERS`, or a list of either. The places of each
provider are in its adapter.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from submitter.providers.json_reader import ITEMS_CAP, at, http_url, text
from submitter.values import value

Place = tuple[str, ...]

#: The members of an object that hold its link, and the type that the name tells; the first one present counts.
_MEMBERS: tuple[tuple[str, str], ...] = (
    ("url", ""),
    ("video_url", "video"),
    ("result_url", ""),
    ("content_url", ""),
    ("image_url", "image"),
    ("audio_url", "audio"),
    ("transcription_url", "transcription"),
)

_KIND_OF = dict(_MEMBERS)

_LEVELS = 6  # of objects and lists in one another

_KIND_BY_END = dict.fromkeys(("png", "jpg", "jpeg", "webp", "gif", "avif"), "image") | dict.fromkeys(
    ("mp3", "wav", "m4a", "ogg", "flac", "aac"), "audio"
)


@value
class Link:
    """One file of a result."""

    url: str
    type: str
    #: The object that holds the link, where more may be said about it; None for a link that stands alone.
    item: object = None


def links(
    holder: object, *places: Place, kind: str = "video", resolve: Callable[[object], str | None] = http_url
) -> tuple[Link, ...]:
    """Return the links of all places, each URL once. `kind` is the type where neither object nor member names one."""
    found: dict[str, Link] = {}
    for place in places:
        for link in _at(holder, place, kind, resolve):
            found.setdefault(link.url, link)
    return tuple(found.values())


def first_links(holder: object, *places: Place, resolve: Callable[[object], str | None] = http_url) -> tuple[Link, ...]:
    """Return the links of the first place that has any, because the others are the same files under other names."""
    for place in places:
        if found := links(holder, place, resolve=resolve):
            return found
    return ()


def links_anywhere(value: object) -> tuple[Link, ...]:
    """Return every link in a value of any form, each URL once, the outer ones first.

    The type is read from the end of the URL's path; a link that ends otherwise is taken for a video. It goes level by
    level, because recursion would fail on a deep value, and at most `json_reader.ITEMS_CAP` links and values in one
    object or list count.
    """
    found: dict[str, Link] = {}
    level = [value]
    for _ in range(_LEVELS):
        for each in level:
            url = http_url(each)
            if url and len(found) < ITEMS_CAP:
                found.setdefault(url, Link(url=url, type=_kind_by_end(url)))
        level = [child for each in level for child in _children(each)][: ITEMS_CAP**2]
    return tuple(found.values())


def _children(value: object) -> Sequence[object]:
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return children[:ITEMS_CAP]


def _kind_by_end(url: str) -> str:
    return _KIND_BY_END.get(urlsplit(url).path.rpartition(".")[2].lower(), "video")


def _at(holder: object, place: Place, kind: str, resolve: Callable[[object], str | None]) -> Sequence[Link]:
    value = at(holder, *place)
    items = value[:ITEMS_CAP] if isinstance(value, list) else [value]
    kind = _KIND_OF.get(place[-1]) or kind
    return [link for item in items if (link := _of_item(item, kind, resolve)) is not None]


def _of_item(item: object, kind: str, resolve: Callable[[object], str | None]) -> Link | None:
    if url := resolve(item):
        return Link(url=url, type=kind)
    for name, named_kind in _MEMBERS:
        found = at(item, name)
        if found is not None and (url := resolve(found) or resolve(at(found, "url"))):
            stated = text(at(item, "type")).removesuffix("_url")
            return Link(url=url, type=stated or named_kind or kind, item=item)
    return None

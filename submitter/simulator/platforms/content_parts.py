"""Rules for a `content` list of texts, pictures, videos and sounds, as Seedance and MiniMax document it.

First and last frame, and references, are modes that exclude each other. A picture without a role is a first frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from submitter.simulator.task import Reason, Refusal

#: How many of each reference.
_MOST = {"reference_image": 9, "reference_video": 3, "reference_audio": 3}

_FRAMES = ("first_frame", "last_frame")

_PICTURE_ROLES = (*_FRAMES, "reference_image")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRules:
    """What differs between the platforms."""

    #: Of addresses of the platform's own files.
    scheme: str
    #: The longest text, where there must be exactly one; None: any number of texts of any length.
    one_text_of: int | None = None
    takes_references: bool = True


def content_list(value: object) -> str | None:
    """A list with something in it."""
    return None if isinstance(value, list) and value else "must be a list that is not empty"


def prompt_of(content: Sequence[object], rules: ContentRules) -> str:
    """Return the text of a checked content. Raise the Refusal of its first broken rule."""
    parts = [_part(item, rules) for item in content]
    texts = [text for role, text in parts if role == "text"]
    roles = [role for role, _ in parts]
    references = [role for role in roles if role.startswith("reference_")]
    frames = [role for role in roles if role in _FRAMES]
    if rules.one_text_of is not None and (len(texts) != 1 or len(texts[0]) > rules.one_text_of):
        raise _wrong("content.text", f"is the prompt: one text of at most {rules.one_text_of} characters")
    if frames and references:
        raise _wrong("content", "takes frames or references, not both")
    if len(frames) != len(set(frames)) or frames == ["last_frame"]:
        raise _wrong("content", "takes one first frame, and one last frame beside it")
    if any(references.count(role) > most for role, most in _MOST.items()):
        raise _wrong("content", "takes 9 pictures, 3 videos and 3 sounds at most")
    if references and (set(references) == {"reference_audio"} or not rules.takes_references):
        raise _wrong("content", "takes no such references")
    return " ".join(texts)


def has_frames(content: Sequence[object]) -> bool:
    """Whether a checked content holds a frame."""
    kinds = [item for item in content if isinstance(item, dict) and item.get("type") == "image_url"]
    return any((item.get("role") or "first_frame") in _FRAMES for item in kinds)


def has_only_text(content: Sequence[object]) -> bool:
    """Whether a checked content is a prompt alone."""
    return all(isinstance(item, dict) and item.get("type") == "text" for item in content)


def _part(item: object, rules: ContentRules) -> tuple[str, str]:
    """The role of an item, and its text; a text has the role `text`."""
    if not isinstance(item, dict):
        raise _wrong("content", "must hold objects")
    kind = item.get("type")
    if kind == "text":
        words = item.get("text")
        if not isinstance(words, str) or not words.strip():
            raise _wrong("content.text", "is the prompt and must not be empty")
        return "text", words
    if kind not in {"image_url", "video_url", "audio_url"}:
        raise _wrong("content.type", "is not known")
    holder = item.get(kind)
    link = holder.get("url") if isinstance(holder, dict) else None
    schemes = ("https://", "http://", rules.scheme, *(() if kind == "video_url" else ("data:",)))
    if not isinstance(link, str) or not link.startswith(schemes):
        raise _wrong(f"content.{kind}.url", "must be a URL")
    if kind != "image_url":
        return f"reference_{kind.removesuffix('_url')}", ""
    role = item.get("role") or "first_frame"
    if role not in _PICTURE_ROLES:
        raise _wrong("content.role", f"must be one of {', '.join(_PICTURE_ROLES)}")
    return str(role), ""


def _wrong(field: str, rule: str) -> Refusal:
    return Refusal(Reason.INVALID, f"{field} {rule}", field=field)

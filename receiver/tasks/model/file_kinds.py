"""What a file is by its first bytes, for servers that do not say. Pure; anything else than media is not recognised."""

from collections.abc import Mapping

FIRST_BYTES = 64  # that are looked at

#: Types by which a server says nothing.
SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})

_BEGINNINGS: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"ID3": "audio/mpeg",
}

#: After `RIFF` and a length.
_RIFF: Mapping[bytes, str] = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}

#: The major brand of a file of ISO 14496-12, after a length and `ftyp`; one that is not here is a film.
_BRANDS: Mapping[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}


def kind_of(first: bytes) -> str | None:
    """The type of an image, a video or audio; None for every other file. `first`: FIRST_BYTES, or all there are."""
    for beginning, kind in _BEGINNINGS.items():
        if first.startswith(beginning):
            return kind
    if first[:4] == b"RIFF":
        return _RIFF.get(first[8:12])
    if first[4:8] == b"ftyp":
        return _BRANDS.get(first[8:12], "video/mp4")
    if first.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in first[:FIRST_BYTES] else "video/x-matroska"
    return "audio/mpeg" if _is_mp3_frame(first) else None


def _is_mp3_frame(first: bytes) -> bool:
    """A header of MPEG audio, layer III, with a bit rate and a sampling rate that exist."""
    if len(first) < 4 or first[0] != 0xFF:
        return False
    is_layer_3 = first[1] & 0xE6 == 0xE2 and first[1] & 0x18 != 0x08
    bit_rate, sampling_rate = first[2] >> 4, first[2] >> 2 & 3
    return is_layer_3 and 0 < bit_rate < 15 and sampling_rate != 3

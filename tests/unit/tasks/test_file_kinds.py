"""Files are recognised by their first bytes; a page, a document and a program never are."""

import pytest

from receiver.tasks.model.file_kinds import kind_of
from tests.support.file_server import PNG

MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webmB\x87\x81\x04"


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF87a\x01\x00", "image/gif"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (MP4, "video/mp4"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x00\x00\x00\x1cftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x1cftypavif", "image/avif"),
        (b"\x00\x00\x00\x1cftypheic", "image/heic"),
        (WEBM, "video/webm"),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x23", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00\x0f", "audio/mpeg"),
        (b"\xff\xf3\x48\xc4\x00\x00", "audio/mpeg"),
    ],
)
def test_media_are_recognised(first: bytes, kind: str) -> None:
    assert kind_of(first) == kind


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\xff",
        b"<!doctype html><script>1</script>",
        b"  <html>",
        b'{"error": "expired"}',
        b"[1]",
        b"<?xml version='1.0'?><svg/>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"\x7fELF\x02\x01\x01",
        b"MZ\x90\x00",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"ftypisom",
        b"\xff\xfe<\x00h\x00t\x00m\x00l\x00",  # a page in UTF-16
        b"\xfe\xff\x00<\x00h",
        b"\xff\xfb\xf0\x64",  # no such bit rate
        b"\xff\xfb\x9c\x64",  # no such sampling rate
        b"\xff\xf1\x50\x80",  # AAC in ADTS, which is layer 0
    ],
)
def test_nothing_else_is(first: bytes) -> None:
    assert kind_of(first) is None

"""Pictures as parts of a `content`, in the form that ModelArk and MiniMax share. Pure."""

from collections.abc import Iterator
from typing import Any

from submitter.request import VideoRequest


def picture_parts(request: VideoRequest) -> Iterator[dict[str, Any]]:
    """The frames first, each picture with its role."""
    frames = (("first_frame", request.first_frame), ("last_frame", request.last_frame))
    references = (("reference_image", url) for url in request.reference_images)
    for role, url in (*frames, *references):
        if url is not None:
            yield {"type": "image_url", "image_url": {"url": url}, "role": role}

"""HappyHorse as Alibaba, its maker, documents it: its limits, and pictures as `input.media`.

DashScope accepts this form directly. The new-api gateways accept it under `metadata`, because their Ali adaptor passes
it on.
"""

from submitter.request import VideoRequest

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9")

RESOLUTIONS = ("720P", "1080P")

SEED = (0, 2_147_483_647)


def media(request: VideoRequest) -> list[dict[str, str]] | None:
    """Return the first frame and then the reference images in their order; None without any."""
    frame = [{"type": "first_frame", "url": request.first_frame}] if request.first_frame else []
    return frame + [{"type": "reference_image", "url": url} for url in request.reference_images] or None

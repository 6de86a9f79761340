"""HappyHorse as Alibaba, its maker, documents it: its three families, and pictures as `input.media`.

DashScope accepts this form directly. The new-api gateways accept it under `metadata`, because their Ali adaptor passes
it on.
"""

from dataclasses import replace

from submitter.providers.contract import ModelFamily
from submitter.request import VideoRequest

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "9:21", "21:9")

RESOLUTIONS = ("720P", "1080P")

SEED = (0, 2_147_483_647)

TEXT_TO_VIDEO = ModelFamily(
    models=("happyhorse-1.0-t2v", "happyhorse-1.1-t2v"),
    ratios=RATIOS,
    resolutions=RESOLUTIONS,
    seed=SEED,
    watermark=True,
)

#: The ratio follows the picture.
IMAGE_TO_VIDEO = ModelFamily(
    models=("happyhorse-1.0-i2v", "happyhorse-1.1-i2v"),
    prompt_required=False,
    resolutions=RESOLUTIONS,
    seed=SEED,
    first_frame=True,
    watermark=True,
)

REFERENCE_TO_VIDEO = replace(
    TEXT_TO_VIDEO, models=("happyhorse-1.0-r2v", "happyhorse-1.1-r2v"), reference_images=(1, 9)
)


def media(request: VideoRequest) -> list[dict[str, str]] | None:
    """Return the first frame and then the reference images in their order; None without any."""
    frame = [{"type": "first_frame", "url": request.first_frame}] if request.first_frame else []
    return frame + [{"type": "reference_image", "url": url} for url in request.reference_images] or None

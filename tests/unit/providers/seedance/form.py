"""How the replies of Seedance look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="running",
    failed="failed",
    succeeded="succeeded",
    document=lambda named, word, inner, top: {"id": named, "status": word, "error": None, **inner, **top},
    result={"content": {"video_url": LINK}},
)

"""How the replies of Kling look, in the new generation of its API."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="processing",
    failed="failed",
    succeeded="succeeded",
    document=lambda named, word, inner, top: {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "r-1",
        "data": [{"id": named, "status": word, **inner}],
        **top,
    },
    result={"outputs": [{"type": "video", "id": "v-1", "url": LINK, "watermark_url": "", "duration": "5.1"}]},
)

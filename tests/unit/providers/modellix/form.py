"""How the replies of Modellix look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="processing",
    failed="failed",
    succeeded="success",
    document=lambda named, word, inner, top: {
        "code": 0,
        "message": "success",
        "data": {"task_id": named, "status": word, **inner},
        **top,
    },
    result={"result": {"resources": [{"url": LINK, "type": "video"}]}},
)

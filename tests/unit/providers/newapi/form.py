"""How the replies of new-api gateways look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="in_progress",
    failed="failed",
    succeeded="completed",
    document=lambda named, word, inner, top: {
        "code": "success",
        "data": {"task_id": named, "status": word, **inner},
        **top,
    },
    result={"url": LINK},
)

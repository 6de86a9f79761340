"""How the replies of DashScope look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="RUNNING",
    failed="FAILED",
    succeeded="SUCCEEDED",
    document=lambda named, word, inner, top: {
        "request_id": "r-1",
        "output": {"task_id": named, "task_status": word, **inner},
        **top,
    },
    result={"video_url": LINK},
)

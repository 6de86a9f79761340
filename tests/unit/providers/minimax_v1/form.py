"""How the replies of MiniMax's version 1 look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="Processing",
    failed="Fail",
    succeeded="Success",
    document=lambda named, word, inner, top: {
        "task_id": named,
        "status": word,
        "base_resp": {"status_code": 0, "status_msg": "success"},
        **inner,
        **top,
    },
    result={"video_url": LINK},
    receipts=(lambda task_id: {"task_id": task_id, "base_resp": {"status_code": 0, "status_msg": "success"}},),
)

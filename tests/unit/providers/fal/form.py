"""How the replies of fal look. A COMPLETED task has failed where an error stands beside the word."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="IN_PROGRESS",
    failed="FAILED",
    succeeded="COMPLETED",
    document=lambda named, word, inner, top: {"status": word, "request_id": named, **inner, **top},
    result={"video": {"url": LINK, "content_type": "video/mp4"}},
    receipts=(
        lambda named: {"status": "IN_QUEUE", "request_id": named, "queue_position": 0},
        lambda named: {"request_id": named, "gateway_request_id": "other"},
    ),
    receipt_id=("request_id",),
)

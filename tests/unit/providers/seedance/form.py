"""How the replies of Seedance look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="running",
    failed="failed",
    succeeded="succeeded",
    document=lambda named, word, inner, top: {"id": named, "status": word, "error": None, **inner, **top},
    result={"content": {"video_url": LINK}},
    receipts=(lambda task_id: {"id": task_id},),
    list_row=lambda task_id: {"id": task_id},
    list_document=lambda rows, numbers: {"total": numbers.get("total"), "items": rows},
)

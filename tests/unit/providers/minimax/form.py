"""How the replies of MiniMax's version 2 look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="running",
    failed="failed",
    succeeded="succeeded",
    document=lambda named, word, inner, top: {"task": {"id": named, "status": word, **inner}, **top},
    result={"content": {"url": LINK}},
    receipts=(lambda task_id: {"task_id": task_id},),
    list_row=lambda task_id: {"id": task_id},
    list_document=lambda rows, numbers: {"total": numbers.get("total"), "tasks": rows},
)

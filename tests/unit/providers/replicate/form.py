"""How the replies of Replicate look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="processing",
    failed="failed",
    succeeded="succeeded",
    document=lambda named, word, inner, top: {"id": named, "status": word, **inner, **top},
    result={"output": LINK},
    receipts=(lambda named: {"id": named, "model": "m", "status": "starting", "output": None, "error": None},),
    receipt_id=("id",),
    list_row=lambda named: {"id": named, "status": "processing"},
    list_document=lambda rows, _numbers: {"previous": None, "results": rows},
    list_has_total=False,
)

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
)

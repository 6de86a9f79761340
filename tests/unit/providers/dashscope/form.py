"""How the replies of DashScope look."""

from tests.unit.providers.statuses import LINK, Form

_NUMBERS = {"page": "page_no", "size": "page_size", "total": "total", "pages": "total_page"}

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
    list_row=lambda task_id: {"task_id": task_id},
    list_document=lambda rows, numbers: {
        "request_id": "r",
        **{_NUMBERS[name]: value for name, value in numbers.items()},
        "data": rows,
    },
)

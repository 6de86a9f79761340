"""How the replies of HiAPI look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="handling",
    failed="fail",
    succeeded="success",
    document=lambda named, word, inner, top: {
        "code": 200,
        "message": "success",
        "data": {"taskId": named, "status": word, **inner},
        **top,
    },
    result={"output": [{"url": LINK, "type": "video"}]},
    list_row=lambda task_id: {"taskId": task_id},
    list_document=lambda rows, numbers: {
        "code": 200,
        "message": "success",
        "data": {**{name: numbers[name] for name in numbers if name != "pages"}, "tasks": rows},
    },
)

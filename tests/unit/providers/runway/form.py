"""How the replies of Runway look."""

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="RUNNING",
    failed="FAILED",
    succeeded="SUCCEEDED",
    document=lambda named, word, inner, top: {
        "id": named,
        "createdAt": "2026-09-01T10:00:00.000Z",
        "status": word,
        **inner,
        **top,
    },
    result={"output": [LINK]},
)

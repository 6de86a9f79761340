"""How the replies of kie.ai look."""

import json

from tests.unit.providers.statuses import LINK, Form

FORM = Form(
    running="generating",
    failed="fail",
    succeeded="success",
    document=lambda named, word, inner, top: {
        "code": 200,
        "message": "success",
        "data": {"taskId": named, "state": word, **inner},
        **top,
    },
    result={"resultJson": json.dumps({"resultUrls": [LINK]})},
)

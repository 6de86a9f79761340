"""MiniMax's version 2 as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/v2/video_generation",
    status_path="/v2/query/video_generation/{}",
    body=lambda prompt: {
        "model": "MiniMax-H3",
        "content": [{"type": "text", "text": prompt}],
        "resolution": "768P",
        "duration": 5,
        "ratio": "16:9",
    },
    task_id=lambda answer: str(answer["task_id"]),
    state=lambda answer: str(answer["task"]["status"]),
    waiting="queued",
    running="running",
    good="succeeded",
    bad="failed",
    unknown_id_status=400,
    no_balance_status=402,
    elsewhere="",
)

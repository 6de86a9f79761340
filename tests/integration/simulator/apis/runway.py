"""Runway as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/v1/text_to_video",
    status_path="/v1/tasks/{}",
    body=lambda prompt: {"model": "gen4.5", "promptText": prompt, "ratio": "1280:720", "duration": 5},
    task_id=lambda answer: str(answer["id"]),
    state=lambda answer: str(answer["status"]),
    headers={"X-Runway-Version": "2024-11-06"},
    waiting="PENDING",
    running="RUNNING",
    good="SUCCEEDED",
    bad="FAILED",
    unknown_id_status=404,
    no_balance_status=400,
    elsewhere='"output": [{"url"',
)

"""Hiapi as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/v1/tasks",
    status_path="/v1/tasks/{}",
    body=lambda prompt: {"model": "happyhorse-1.1/text-to-video", "input": {"prompt": prompt}},
    task_id=lambda answer: str(answer["data"]["taskId"]),
    state=lambda answer: str(answer["data"]["status"]),
    waiting="queued",
    running="handling",
    good="success",
    bad="fail",
    unknown_id_status=404,
    no_balance_status=402,
    elsewhere="",
)

"""Seedance as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/contents/generations/tasks",
    status_path="/contents/generations/tasks/{}",
    body=lambda prompt: {"model": "dreamina-seedance-2-0-260128", "content": [{"type": "text", "text": prompt}]},
    task_id=lambda answer: str(answer["id"]),
    state=lambda answer: str(answer["status"]),
    waiting="queued",
    running="running",
    good="succeeded",
    bad="failed",
    unknown_id_status=404,
    no_balance_status=403,
)

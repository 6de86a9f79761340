"""Dashscope as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/services/aigc/video-generation/video-synthesis",
    status_path="/tasks/{}",
    body=lambda prompt: {"model": "happyhorse-1.0-t2v", "input": {"prompt": prompt}},
    task_id=lambda answer: str(answer["output"]["task_id"]),
    state=lambda answer: str(answer["output"]["task_status"]),
    headers={"X-DashScope-Async": "enable"},
    waiting="PENDING",
    running="RUNNING",
    good="SUCCEEDED",
    bad="FAILED",
    unknown_id_status=200,
    no_balance_status=400,
)

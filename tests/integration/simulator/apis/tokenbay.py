"""Tokenbay as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/v1/video/generations",
    status_path="/v1/video/generations/{}",
    body=lambda prompt: {"model": "happyhorse-1.0-t2v", "prompt": prompt},
    task_id=lambda answer: str(answer["task_id"]),
    state=lambda answer: str(answer["status"]),
    waiting="QUEUED",
    running="IN_PROGRESS",
    good="SUCCESS",
    bad="FAILURE",
    unknown_id_status=400,
    no_balance_status=403,
)

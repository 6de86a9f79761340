"""Kling as a plain HTTP caller meets it, in the new generation of its API."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/text-to-video/kling-3.0",
    status_path="/tasks?task_ids={}",
    body=lambda prompt: {"prompt": prompt},
    task_id=lambda answer: str(answer["data"]["id"]),
    state=lambda answer: str(answer["data"][0]["status"]),
    waiting="submitted",
    running="processing",
    good="succeeded",
    bad="failed",
    unknown_id_status=200,
    no_balance_status=429,
    elsewhere='"task_result"',
    unknown_id_text='"data":[]',
    unknown_model_path="/text-to-video/no-such-model",
)

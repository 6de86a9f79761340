"""Modellix as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PICTURE, PlatformApi

API = PlatformApi(
    submit_path="/alibaba/happyhorse-1.0-r2v/async",
    status_path="/tasks/{}",
    body=lambda prompt: {"prompt": prompt, "reference_images": [PICTURE]},
    task_id=lambda answer: str(answer["data"]["task_id"]),
    state=lambda answer: str(answer["data"]["status"]),
    waiting="pending",
    running="processing",
    good="success",
    bad="failed",
    unknown_id_status=404,
    no_balance_status=402,
    elsewhere="",
    unknown_model_path="/alibaba/no-such-model/async",
)

"""Replicate as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/models/kwaivgi/kling-v3-video/predictions",
    status_path="/predictions/{}",
    unknown_model_path="/models/kwaivgi/no-such-model/predictions",
    body=lambda prompt: {"input": {"prompt": prompt}},
    task_id=lambda answer: str(answer["id"]),
    state=lambda answer: str(answer["status"]),
    waiting="starting",
    running="processing",
    good="succeeded",
    bad="failed",
    unknown_id_status=404,
    no_balance_status=402,
    created_status=201,
    elsewhere='"video"',
)

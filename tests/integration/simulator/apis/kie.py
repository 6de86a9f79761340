"""kie.ai as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/jobs/createTask",
    status_path="/jobs/recordInfo?taskId={}",
    body=lambda prompt: {"model": "happyhorse/text-to-video", "input": {"prompt": prompt}},
    task_id=lambda answer: str(answer["data"]["taskId"]),
    state=lambda answer: str(answer["data"]["state"]),
    waiting="waiting",
    running="generating",
    good="success",
    bad="fail",
    unknown_id_status=404,
    no_balance_status=402,
    elsewhere='"info"',
    blank="my video\\\\n",
)

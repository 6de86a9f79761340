"""MiniMax's version 1 as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/v1/video_generation",
    status_path="/v1/query/video_generation?task_id={}",
    result_path="/v1/files/retrieve?file_id=205{}",
    body=lambda prompt: {"model": "MiniMax-Hailuo-2.3", "prompt": prompt},
    task_id=lambda answer: str(answer["task_id"]),
    state=lambda answer: str(answer["status"]),
    waiting="Queueing",
    running="Processing",
    good="Success",
    bad="Fail",
    unknown_id_status=200,
    no_balance_status=200,
    elsewhere="",
    unknown_id_text="invalid task_id",
)

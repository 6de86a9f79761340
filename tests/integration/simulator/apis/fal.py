"""fal as a plain HTTP caller meets it."""

from tests.integration.simulator.apis.platform_api import PlatformApi

API = PlatformApi(
    submit_path="/alibaba/happy-horse/v1.1/text-to-video",
    status_path="/alibaba/happy-horse/requests/{}/status",
    result_path="/alibaba/happy-horse/requests/{}",
    unknown_model_path="/alibaba/no-such-app/text-to-video",
    body=lambda prompt: {"prompt": prompt},
    task_id=lambda answer: str(answer["request_id"]),
    state=lambda answer: str(answer["status"]) + (" with an error" if answer.get("error") else ""),
    waiting="IN_QUEUE",
    running="IN_PROGRESS",
    good="COMPLETED",
    bad="COMPLETED with an error",
    unknown_id_status=404,
    no_balance_status=403,
    key_prefix="Key ",
    open_status=202,
    checks_input=False,
    elsewhere='"videos"',
)

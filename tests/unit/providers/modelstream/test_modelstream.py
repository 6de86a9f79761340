"""What ModelStream publishes, and that the rest is the family's."""

from submitter.model import Output, ProviderTaskId, Receipt, Refusal, Refused, TaskError, TaskState
from submitter.providers import modelstream
from tests.unit.providers import recorded

TASK_ID = "abcd1234efgh"


def test_the_published_receipt_names_the_task() -> None:
    receipt = modelstream.parse_receipt(recorded.reply("modelstream", "receipt_queued"))
    assert receipt == Receipt(provider_task_id=ProviderTaskId(TASK_ID), raw_state="queued")


def test_the_published_error_is_a_refusal() -> None:
    error = TaskError(code="missing_parameter", message="images is required")
    refused = modelstream.parse_receipt(recorded.reply("modelstream", "refused_400"))
    assert refused == Refused(refusal=Refusal.INVALID, error=error, status=400)


def test_a_success_in_the_shape_of_the_family_brings_its_file() -> None:
    seen = modelstream.parse_status(
        ProviderTaskId(TASK_ID), recorded.reply("modelstream", "status_success"), recorded.account("modelstream")
    )
    assert seen == recorded.polled(
        "modelstream",
        "status_success",
        TASK_ID,
        TaskState.SUCCEEDED,
        "SUCCESS",
        progress=100,
        outputs=(Output(url="https://oss.example/v.mp4"),),
        completed_at_ms=1_790_000_130_000,
    )


def test_tasks_are_polled_on_the_route_they_were_sent_to() -> None:
    call = modelstream.build_status(ProviderTaskId(TASK_ID), recorded.account("modelstream"))
    assert call.url == "https://api.modelstream.ai/v1/video/generations/abcd1234efgh"

"""The Gemini API as a plain HTTP caller meets it. Its answers have no word for a state."""

from typing import Any

from tests.integration.simulator.apis.platform_api import PlatformApi


def _state(answer: Any) -> str:
    if not answer.get("done"):
        return "not done"
    return "error" if "error" in answer else "generatedSamples"


API = PlatformApi(
    submit_path="/models/veo-3.1-generate-preview:predictLongRunning",
    status_path="/{}",
    body=lambda prompt: {"instances": [{"prompt": prompt}]},
    task_id=lambda answer: str(answer["name"]),
    state=_state,
    waiting="not done",
    running="not done",
    good="generatedSamples",
    bad="error",
    unknown_id_status=404,
    no_balance_status=400,
    key_header="x-goog-api-key",
    key_prefix="",
    unknown_model_path="/models/no-such-model:predictLongRunning",
    elsewhere='"generatedVideos"',
    has_words=False,
)

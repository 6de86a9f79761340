"""The calls that a submit to DashScope becomes."""

import json

from submitter.providers import dashscope
from submitter.providers.contract import SubmitContext
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

ACCOUNT = recorded.account("dashscope")
CONTEXT = SubmitContext(callback_url="https://us.example/callbacks/dashscope/token", idempotency_key="tsk_1")


def test_every_submit_requests_asynchronous_work() -> None:
    call = dashscope.build_submit(VideoRequest(model="happyhorse-1.0-t2v", prompt="a horse"), ACCOUNT, CONTEXT)
    assert ("x-dashscope-async", "enable") in call.headers
    assert call.url.endswith("/api/v1/services/aigc/video-generation/video-synthesis")
    assert call.body == b'{"model":"happyhorse-1.0-t2v","input":{"prompt":"a horse"}}'


def test_a_first_frame_is_the_only_medium_of_image_to_video() -> None:
    request = VideoRequest(
        model="happyhorse-1.1-i2v", first_frame="https://a.example/1.png", resolution="1080p", watermark=False, seed=0
    )
    assert json.loads(dashscope.build_submit(request, ACCOUNT, CONTEXT).body) == {
        "model": "happyhorse-1.1-i2v",
        "input": {"media": [{"type": "first_frame", "url": "https://a.example/1.png"}]},
        "parameters": {"resolution": "1080P", "watermark": False, "seed": 0},
    }


def test_a_raw_body_goes_unchanged_to_the_path_it_names() -> None:
    raw = RawRequest(
        body={"model": "wan-t2i", "input": {"prompt": "x"}, "callback": "theirs"},
        path="/services/aigc/text2image/image-synthesis",
    )
    call = dashscope.build_submit(raw, ACCOUNT, CONTEXT)
    assert call.url == "https://dashscope-intl.aliyuncs.com/api/v1/services/aigc/text2image/image-synthesis"
    assert call.body == b'{"model":"wan-t2i","input":{"prompt":"x"},"callback":"theirs"}'

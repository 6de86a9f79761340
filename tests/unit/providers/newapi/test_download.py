"""Where the account's key goes when a file is fetched: to the gateway's own origin and nowhere else."""

import pytest

from submitter.http.messages import HttpReply
from submitter.model import Observation, Output, ProviderTaskId
from submitter.providers import newapi
from tests.unit.providers import recorded

ACCOUNT = recorded.account("newapi", base_url="http://127.0.0.1:9000/gateway")
KEY = (("authorization", "Bearer key-1"),)


def _output(result_url: str) -> Output:
    body = b'{"status":"SUCCESS","result_url":"%s"}' % result_url.encode()
    seen = newapi.parse_status(ProviderTaskId("task_abc"), HttpReply(status=200, body=body), ACCOUNT)
    assert isinstance(seen, Observation)
    return seen.outputs[0]


def test_a_path_is_resolved_below_the_path_of_the_base_url() -> None:
    output = _output("/v1/videos/task_abc/content")
    assert output == Output(url="http://127.0.0.1:9000/gateway/v1/videos/task_abc/content", needs_key=True)
    assert newapi.build_download(output, ACCOUNT).headers == KEY


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:9000/v.mp4",
        "http://127.0.0.1:9001/v.mp4",
        "http://127.0.0.1/v.mp4",
        "http://localhost:9000/v.mp4",
        "http://127.0.0.1.evil.example:9000/v.mp4",
    ],
)
def test_any_other_origin_never_gets_the_key(url: str) -> None:
    output = _output(url)
    assert output == Output(url=url)
    assert newapi.build_download(Output(url=url, needs_key=True), ACCOUNT).headers == ()


@pytest.mark.parametrize(
    "odd",
    [
        "//evil.example/v.mp4",
        "http://[::1/v.mp4",
        "http://a.example:99999/v.mp4",
        "http://key@127.0.0.1:9000/v.mp4",
        "ftp://a.example/v",
        "made of words",
        "/\\\\evil",
    ],
)
def test_anything_but_a_plain_url_is_replaced_by_the_content_route(odd: str) -> None:
    assert _output(odd).url == "http://127.0.0.1:9000/gateway/v1/videos/task_abc/content"


def test_a_path_with_a_blank_is_escaped() -> None:
    assert _output("/my video.mp4").url == "http://127.0.0.1:9000/gateway/my%20video.mp4"


def test_the_default_port_is_the_same_origin() -> None:
    account = recorded.account("newapi", base_url="https://gateway.example")
    call = newapi.build_download(Output(url="https://GATEWAY.example:443/v1/videos/x/content"), account)
    assert (call.method, call.headers) == ("GET", KEY)

"""A submit to Modellix finds the path that is served, with /async or without, and remembers it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from submitter.errors import ConnectFailed, ExchangeTimeout, TransportError
from submitter.http.messages import HttpCall, HttpReply
from submitter.model import ProviderTaskId, Receipt, Refusal, Refused
from submitter.other_path import RememberedPaths
from submitter.providers import modellix
from submitter.providers.contract import ConfiguredProvider, SubmitContext
from submitter.providers.registry import ADAPTERS
from submitter.request import RawRequest, VideoRequest
from tests.unit.providers import recorded

REQUEST = VideoRequest(
    model="happyhorse-1.0-r2v", prompt="[Image 1]", reference_images=("https://a.example/1.png",), resolution="720P"
)
PLAIN = "/alibaba/happyhorse-1.0-r2v"
ASYNC = PLAIN + "/async"
OK = HttpReply(status=200, body=json.dumps({"code": 0, "data": {"status": "pending", "task_id": "t1"}}).encode())
NO_ROUTE = HttpReply(status=404, body=b"<html>nginx</html>")
NO_MODEL = HttpReply(status=404, body=b'{"code":404,"message":"Not Found: no such model"}')


def modellix_account(name: str = "modellix", **options: str) -> ConfiguredProvider:
    account = recorded.account("modellix", name=name, options=options)
    return ConfiguredProvider(adapter=ADAPTERS["modellix"], account=account)


@dataclass
class Paths:
    """A provider that answers each path by the script; every other one has no route."""

    served: Mapping[str, HttpReply | TransportError]
    remembered: RememberedPaths = field(default_factory=RememberedPaths)
    posted: list[HttpCall] = field(default_factory=list)

    async def _send(self, call: HttpCall) -> HttpReply:
        self.posted.append(call)
        await asyncio.sleep(0)
        answer = self.served.get(call.url.removeprefix("https://api.modellix.ai/api/v1"), NO_ROUTE)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def submit(
        self, configured: ConfiguredProvider | None = None, request: VideoRequest | RawRequest = REQUEST
    ) -> HttpReply:
        to = configured or modellix_account()
        context = SubmitContext(callback_url=None, idempotency_key="tsk_1")
        return await self.remembered.send(to, to.adapter.build_submit(request, to.account, context), self._send)

    def paths(self) -> list[str]:
        return [call.url.removeprefix("https://api.modellix.ai/api/v1") for call in self.posted]


async def test_a_missing_path_is_tried_once_the_other_way_and_remembered() -> None:
    provider = Paths({PLAIN: OK})
    assert await provider.submit() == OK
    assert await provider.submit() == OK
    assert provider.paths() == [ASYNC, PLAIN, PLAIN]
    assert len({(call.method, call.headers, call.body) for call in provider.posted}) == 1


async def test_the_option_says_which_path_comes_first() -> None:
    provider = Paths({ASYNC: OK})
    assert await provider.submit(modellix_account(path="plain")) == OK
    assert await provider.submit(modellix_account(path="plain")) == OK
    assert provider.paths() == [PLAIN, ASYNC, ASYNC]


async def test_a_path_that_is_served_is_the_only_one() -> None:
    provider = Paths({ASYNC: OK, PLAIN: OK})
    assert await provider.submit() == OK
    assert provider.paths() == [ASYNC]


async def test_a_remembered_path_that_goes_away_is_given_up_again() -> None:
    provider = Paths({PLAIN: OK})
    await provider.submit()
    provider.served = {ASYNC: OK}
    assert (await provider.submit(), await provider.submit()) == (OK, OK)
    assert provider.paths() == [ASYNC, PLAIN, PLAIN, ASYNC, ASYNC]


async def test_an_unknown_model_is_refused_after_both_paths_and_nothing_is_remembered() -> None:
    provider = Paths({ASYNC: NO_MODEL, PLAIN: NO_MODEL})
    refused = modellix.parse_receipt(await provider.submit())
    assert isinstance(refused, Refused)
    assert (refused.refusal, refused.error.message) == (
        Refusal.INVALID,
        "Not Found: no such model; the path was tried with /async and without it",
    )
    provider.served = {ASYNC: OK}
    await provider.submit()
    assert provider.paths() == [ASYNC, PLAIN, ASYNC]


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 408, 409, 422, 429, 500, 502, 503, 504])
async def test_any_other_answer_is_never_posted_again(status: int) -> None:
    provider = Paths({ASYNC: HttpReply(status=status, body=b"{}"), PLAIN: OK})
    assert (await provider.submit()).status == status
    assert provider.paths() == [ASYNC]


@pytest.mark.parametrize("status", [404, 405])
async def test_a_404_that_names_a_task_is_never_posted_again(status: int) -> None:
    provider = Paths({ASYNC: HttpReply(status=status, body=OK.body), PLAIN: OK})
    assert (await provider.submit()).status == status
    assert provider.paths() == [ASYNC]


@pytest.mark.parametrize("error", [ExchangeTimeout("slow"), ConnectFailed("refused")])
async def test_a_lost_answer_is_never_posted_to_the_other_path(error: TransportError) -> None:
    provider = Paths({ASYNC: error, PLAIN: OK})
    with pytest.raises(type(error)):
        await provider.submit()
    assert provider.paths() == [ASYNC]


@pytest.mark.parametrize("second", [400, 429, 500])
async def test_only_a_receipt_is_remembered(second: int) -> None:
    provider = Paths({PLAIN: HttpReply(status=second)})
    await provider.submit()
    await provider.submit()
    assert provider.paths() == [ASYNC, PLAIN, ASYNC, PLAIN]


async def test_accounts_remember_by_themselves() -> None:
    provider = Paths({PLAIN: OK})
    await provider.submit()
    await provider.submit(modellix_account("modellix-b"))
    assert provider.paths() == [ASYNC, PLAIN, ASYNC, PLAIN]


async def test_submits_at_the_same_time_remember_the_same_path() -> None:
    provider = Paths({PLAIN: OK})
    await asyncio.gather(provider.submit(), provider.submit())
    await provider.submit()
    assert sorted(provider.paths()) == [PLAIN, PLAIN, PLAIN, ASYNC, ASYNC]


async def test_a_raw_body_finds_its_path_as_well() -> None:
    provider = Paths({"/google/veo-3": OK})
    receipt = modellix.parse_receipt(
        await provider.submit(request=RawRequest(body={"prompt": "x"}, path="/google/veo-3/async"))
    )
    assert receipt == Receipt(provider_task_id=ProviderTaskId("t1"), raw_state="pending")


@pytest.mark.parametrize("adapter", [name for name in ADAPTERS if name != "modellix"])
async def test_other_providers_have_one_path(adapter: str) -> None:
    posted: list[HttpCall] = []

    async def send(call: HttpCall) -> HttpReply:
        posted.append(call)
        return NO_ROUTE

    configured = ConfiguredProvider(adapter=ADAPTERS[adapter], account=recorded.account(adapter))
    call = HttpCall(method="POST", url="https://a.example/v1/tasks")
    assert await RememberedPaths().send(configured, call, send) == NO_ROUTE
    assert posted == [call]

"""What the demo submits, and with which faults."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.demo.examples import PROVIDERS, load_examples
from receiver.cli.demo.scenario import (
    BURST,
    BURST_PROVIDER,
    FAULTS,
    LEAST,
    NEEDS_OPERATOR,
    VIAS,
    DemoRequest,
    Via,
    by_provider,
    fault_plan,
    make_requests,
    submit_body,
)
from submitter.providers.registry import ADAPTERS
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from submitter.simulator import MENU
from submitter.simulator.config import DOCUMENTED_LIMITS

SEEDS = Path(__file__).parents[1] / "providers" / "seeds"
EXAMPLES = load_examples()
EACH_EXAMPLE = pytest.mark.parametrize(
    ("provider", "example"), [(name, example) for name in PROVIDERS for example in EXAMPLES[name]]
)


def _requests(each: int = LEAST) -> tuple[DemoRequest, ...]:
    return make_requests(EXAMPLES, each=each, shuffle=lambda _: None)


@EACH_EXAMPLE
def test_an_example_is_accepted_by_its_provider_in_both_forms(provider: str, example: Any) -> None:
    capabilities = ADAPTERS[provider].CAPABILITIES
    assert validate_video(RawRequest.model_validate(example.raw), capabilities) == ()
    assert validate_video(VideoRequest.model_validate(example.video), capabilities) == ()


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*_r2v*.json")), ids=lambda path: path.stem)
def test_each_request_of_a_seed_page_is_submitted_word_for_word(seed: Path) -> None:
    provider = seed.stem.partition("_")[0]
    bodies = [
        request.content["raw"]["body"] for request in by_provider(_requests())[provider] if "raw" in request.content
    ]
    assert json.loads(seed.read_text()) in bodies


def test_as_many_requests_as_its_faults_go_to_each_provider_in_every_way_and_in_both_forms() -> None:
    for provider, requests in by_provider(_requests()[:-BURST]).items():
        assert len(requests) == len(FAULTS[provider]) in {LEAST // 2, LEAST}
        assert Counter(request.via for request in requests) == dict.fromkeys(VIAS, len(requests) // 3)
        half = len(requests) // 2
        assert Counter(form for request in requests for form in request.content) == {"raw": half, "video": half}


def test_more_requests_keep_the_ratio_of_the_providers() -> None:
    counts = {len(requests) for requests in by_provider(_requests(24)[:-BURST]).values()}
    assert counts <= {24, 12}


def test_a_burst_over_the_limits_of_its_provider_comes_in_one_file() -> None:
    burst = _requests()[-BURST:]
    assert {(request.provider, request.via) for request in burst} == {(BURST_PROVIDER, Via.COMMAND)}
    assert len({request.name for request in _requests()}) == sum(map(len, FAULTS.values())) + BURST
    assert (DOCUMENTED_LIMITS[BURST_PROVIDER].concurrent or BURST) < BURST


def test_odd_replies_of_a_gateway_and_a_task_to_settle_wrongly_are_met() -> None:
    named = set(chain.from_iterable(faults for request in _requests() for faults in request.faults))
    assert {"receipt_with_error", "two_ids", "other_word", "query_403", "receipt_cut", "query_no_task"} <= named
    assert (("reply_lost", "stuck"),) in FAULTS["modelstream"]


def test_every_fault_of_the_tables_is_on_the_simulators_menu() -> None:
    named = {name for table in FAULTS.values() for each in table for faults in each for name in faults}
    assert named <= set(MENU)


def test_every_promised_fault_is_in_the_plan() -> None:
    named = set(chain.from_iterable(faults for request in _requests() for faults in request.faults))
    promised = {"callback_lost", "callback_duplicated", "callback_early", "callback_contradicting", "reply_lost"}
    assert promised | {"fail", "submit_429", "unknown_state", "query_500"} <= named


def test_a_refused_submit_has_a_plan_for_the_one_that_follows_it() -> None:
    requests = [request for request in _requests() if request.provider == "tokenbay"]
    assert len(fault_plan(requests)) == len(requests) + 1


def test_requests_beyond_the_first_dozen_need_no_operator() -> None:
    later = [request for requests in by_provider(_requests(40)).values() for request in requests[LEAST:]]
    assert NEEDS_OPERATOR.isdisjoint(name for request in later for faults in request.faults for name in faults)


def test_the_requests_of_one_provider_name_a_url_in_notify() -> None:
    bodies = [submit_body(request, notify_url="http://127.0.0.1:1/", secret="whsec_x") for request in _requests()]
    notified = [body for body in bodies if "notify" in body]
    assert {body["provider"] for body in notified} == {"tokenbay"}
    assert all(body["notify"] == {"url": "http://127.0.0.1:1/", "secret": "whsec_x"} for body in notified)


def test_a_submit_has_the_name_of_its_request_as_a_label() -> None:
    body = submit_body(_requests()[0], notify_url="http://127.0.0.1:1/", secret="whsec_x")
    assert body["labels"] == {"demo": "hiapi-01"}
    assert ("raw" in body) != ("video" in body)


def test_the_prompt_of_a_request_is_found_in_every_form() -> None:
    assert all(request.prompt for request in _requests())

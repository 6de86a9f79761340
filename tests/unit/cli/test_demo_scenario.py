"""What the demo orders, and with which faults."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.demo.scenario import (
    DOORS,
    LEAST,
    NEEDS_OPERATOR,
    PROVIDERS,
    TROUBLES,
    TaskRequest,
    by_provider,
    load_examples,
    make_orders,
    plan_of,
    submit_body,
)
from submitter.providers.registry import ADAPTERS
from submitter.providers.validation import validate_video
from submitter.request import RawRequest, VideoRequest
from submitter.simulator import MENU

SEEDS = Path(__file__).parents[1] / "providers" / "seeds"
EXAMPLES = load_examples()
EACH_EXAMPLE = pytest.mark.parametrize(
    ("provider", "example"), [(name, example) for name in PROVIDERS for example in EXAMPLES[name]]
)


def _orders(each: int = LEAST) -> tuple[TaskRequest, ...]:
    return make_orders(EXAMPLES, each=each, shuffle=lambda _: None)


@EACH_EXAMPLE
def test_an_example_is_taken_by_its_provider_in_both_forms(provider: str, example: Any) -> None:
    capabilities = ADAPTERS[provider].CAPABILITIES
    assert validate_video(RawRequest.model_validate(example.raw), capabilities) == ()
    assert validate_video(VideoRequest.model_validate(example.video), capabilities) == ()


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*_r2v*.json")), ids=lambda path: path.stem)
def test_each_request_of_a_seed_page_is_ordered_word_for_word(seed: Path) -> None:
    provider = seed.stem.partition("_")[0]
    bodies = [order.content["raw"]["body"] for order in by_provider(_orders())[provider] if "raw" in order.content]
    assert json.loads(seed.read_text()) in bodies


def test_a_dozen_orders_go_to_each_provider_through_every_door_and_in_both_forms() -> None:
    for orders in by_provider(_orders()).values():
        assert len(orders) == LEAST
        assert Counter(order.door for order in orders) == dict.fromkeys(DOORS, 4)
        assert Counter(form for order in orders for form in order.content) == {"raw": 6, "video": 6}


def test_every_fault_of_the_tables_is_on_the_simulators_menu() -> None:
    named = {name for table in TROUBLES.values() for trouble in table for faults in trouble for name in faults}
    assert named <= set(MENU)


def test_every_promised_fault_is_met() -> None:
    named = set(chain.from_iterable(faults for order in _orders() for faults in order.trouble))
    promised = {"callback_lost", "callback_duplicated", "callback_early", "callback_contradicting", "reply_lost"}
    assert promised | {"fail", "submit_429", "unknown_state", "query_500"} <= named


def test_a_refused_submit_has_a_plan_for_the_one_that_follows_it() -> None:
    orders = [order for order in _orders() if order.provider == "tokenbay"]
    assert len(plan_of(orders)) == len(orders) + 1


def test_orders_beyond_the_first_dozen_ask_nothing_more_of_the_operator() -> None:
    later = [order for orders in by_provider(_orders(40)).values() for order in orders[LEAST:]]
    assert NEEDS_OPERATOR.isdisjoint(name for order in later for faults in order.trouble for name in faults)


def test_the_orders_of_one_provider_say_where_to_tell_of_their_ends() -> None:
    bodies = [submit_body(order, notify_url="http://127.0.0.1:1/", secret="whsec_x") for order in _orders()]
    notified = [body for body in bodies if "notify" in body]
    assert {body["provider"] for body in notified} == {"tokenbay"}
    assert all(body["notify"] == {"url": "http://127.0.0.1:1/", "secret": "whsec_x"} for body in notified)


def test_a_submit_names_its_order() -> None:
    body = submit_body(_orders()[0], notify_url="http://127.0.0.1:1/", secret="whsec_x")
    assert body["labels"] == {"demo": "hiapi-01"}
    assert ("raw" in body) != ("video" in body)


def test_the_prompt_of_an_order_is_found_in_every_form() -> None:
    assert all(order.prompt for order in _orders())

"""What holds for every adapter: its table of limits is sound and its recorded payloads say where they were read."""

import json
from pathlib import Path

import pytest

from submitter.model import ProviderTaskId
from submitter.providers.registry import ADAPTERS, SERVES_FILES
from tests.unit.providers import recorded

PAYLOADS = sorted(Path(__file__).parent.glob("*/payloads/*.json"))


def test_the_registry_begins_with_the_first_five_and_ends_with_any_other_gateway() -> None:
    names = list(ADAPTERS)
    assert names[:5] == ["hiapi", "dashscope", "modellix", "modelstream", "tokenbay"]
    assert names[-1] == "newapi"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_base_url_is_https_and_only_the_family_has_none(adapter: str) -> None:
    base_url = ADAPTERS[adapter].CAPABILITIES.default_base_url
    assert (base_url is None) == (adapter == "newapi")
    assert base_url is None or (base_url.startswith("https://") and not base_url.endswith("/"))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_model_is_in_two_families(adapter: str) -> None:
    models = [model for family in ADAPTERS[adapter].CAPABILITIES.families for model in family.models]
    assert len(models) == len(set(models)) > 0


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_poll_advice_and_budget_agree_with_the_documents_floor(adapter: str) -> None:
    poll, budget = ADAPTERS[adapter].CAPABILITIES.poll, ADAPTERS[adapter].CAPABILITIES.budget
    assert 0 < poll.floor_s <= poll.every_s
    assert budget.per_s > 0
    assert budget.burst >= 1


def test_hiapi_and_modellix_stay_within_their_requests_a_minute() -> None:
    for adapter, a_minute in {"hiapi": 60, "modellix": 100}.items():
        budget = ADAPTERS[adapter].CAPABILITIES.budget
        assert budget.burst + budget.per_s * 60 <= a_minute
        assert budget.submits_count


def test_dashscope_stays_within_twenty_a_second() -> None:
    budget = ADAPTERS["dashscope"].CAPABILITIES.budget
    assert budget.burst + budget.per_s <= 20


def test_gateways_are_never_polled_more_often_than_every_five_seconds() -> None:
    gateways = ("modelstream", "tokenbay", "newapi")
    assert all(adapter in SERVES_FILES and ADAPTERS[adapter].CAPABILITIES.poll.floor_s >= 5 for adapter in gateways)


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_recorded_payload_says_where_and_when_it_was_read(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["source"]
    assert record["read"].startswith("2026-11-")
    assert ("body" in record) != ("text" in record)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_name_of_the_account_and_not_of_the_adapter_is_in_the_key(adapter: str) -> None:
    url = ADAPTERS[adapter].build_status(ProviderTaskId("t-1"), recorded.account(adapter, name="second")).url
    assert url.startswith(recorded.account(adapter).base_url)
    assert "t-1" in url


def test_callbacks_of_an_account_have_steps_that_set_them_up() -> None:
    for name, adapter in ADAPTERS.items():
        assert adapter.CAPABILITIES.account_callback == bool(adapter.CAPABILITIES.account_callback_steps), name

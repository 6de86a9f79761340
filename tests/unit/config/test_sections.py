"""Sections are built by themselves, too, and keep the rules of their fields."""

import pytest
from pydantic import ValidationError

from receiver.config.sections import DeliverySettings, ProvidersSettings
from receiver.config.settings import Settings

SECRET = "s3cr3t-s3cr3t-s3cr3t"


def test_a_section_takes_values_and_has_a_default_for_the_rest() -> None:
    delivery = DeliverySettings(concurrency=2, backoff_s=(1, 2))
    assert (delivery.concurrency, delivery.backoff_s, delivery.timeout_s) == (2, (1.0, 2.0), 15.0)


def test_a_section_does_not_change() -> None:
    with pytest.raises(ValidationError):
        DeliverySettings().concurrency = 3


@pytest.mark.parametrize("values", [{"concurrency": 0}, {"concurency": 1}, {"timeout_s": "x"}])
def test_a_section_refuses_a_value_out_of_bounds_and_an_unknown_name(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeliverySettings.model_validate(values)


def test_settings_that_contradict_each_other_can_not_be_built() -> None:
    with pytest.raises(ValidationError, match="WHENFINAL_PROVIDER_TIMEOUT_S: it is more than WHENFINAL_LEASE_S"):
        Settings(providers=ProvidersSettings(timeout_s=61))


def test_an_error_does_not_repeat_a_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"database": {"url": f"mysql://ann:{SECRET}@db/when"}})
    assert SECRET not in str(caught.value)

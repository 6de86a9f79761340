"""What `GET /v1/models` says about each model: every limit of its family, in the words of the API."""

from dataclasses import fields, replace
from typing import Any

import pytest

from receiver.web.api.service import models_of
from submitter.api_service import ModelLimits, Range
from submitter.providers.contract import ConfiguredProvider, ModelFamily
from submitter.providers.registry import ADAPTERS
from tests.unit.providers import recorded

PLAIN = ModelFamily(models=("plain-1", "plain-2"), duration_s=None)


class _MadeUp:
    """An adapter of which only the limits are read."""

    def __init__(self, family: ModelFamily) -> None:
        self.CAPABILITIES = replace(ADAPTERS["hiapi"].CAPABILITIES, families=(family,))

    def __getattr__(self, name: str) -> Any:
        return getattr(ADAPTERS["hiapi"], name)


def _shown(family: ModelFamily) -> ModelLimits:
    shown = models_of(ConfiguredProvider(adapter=_MadeUp(family), account=recorded.account("hiapi")))
    assert [each.model for each in shown] == ["plain-1", "plain-2"]
    assert {each.provider for each in shown} == {"hiapi"}
    return shown[0]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"last_frame": True}, {"last_frame": True}),
        ({"frames_exclude_references": True}, {"frames_exclude_references": True}),
        ({"ratio_for_text": True}, {"ratio_for_text": True}),
        ({"ratio_without_frame": True}, {"ratio_without_frame": True}),
        ({"text_ratios": ("1:1",)}, {"text_ratios": ("1:1",)}),
        ({"resolution_for_frame": True}, {"resolution_for_frame": True}),
        ({"audio": True}, {"audio": True}),
        ({"negative_prompt": 2_500}, {"negative_prompt": 2_500}),
        ({"required": ("ratio", "duration")}, {"required": ("ratio", "duration")}),
        ({"prompt_weight": None, "prompt_characters": 1_000}, {"prompt_weight": None, "prompt_characters": 1_000}),
        ({"prompt_required": False}, {"prompt_required": False}),
        ({"durations": (5, 10)}, {"only_durations": (5, 10), "durations": Range(least=5, most=10)}),
        ({"durations": (10, 5)}, {"only_durations": (10, 5), "durations": Range(least=5, most=10)}),
        ({"duration_s": (4, 8)}, {"only_durations": (), "durations": Range(least=4, most=8)}),
        ({}, {"only_durations": (), "durations": None, "negative_prompt": None, "required": ()}),
        ({"image_schemes": ("https",)}, {"image_schemes": ("https",)}),
        ({"seed": (0, 9)}, {"seed": Range(least=0, most=9)}),
        ({"watermark": True, "reference_types": ("asset",)}, {"watermark": True, "reference_types": ("asset",)}),
    ],
)
def test_a_limit_of_a_family_is_shown(changes: dict[str, Any], shown: dict[str, Any]) -> None:
    found = _shown(replace(PLAIN, **changes))
    assert {name: getattr(found, name) for name in shown} == shown


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, ("text-to-video",)),
        ({"first_frame": True}, ("image-to-video",)),
        ({"first_frame": True, "first_frame_optional": True}, ("text-to-video", "image-to-video")),
        ({"first_frame": True, "last_frame": True}, ("image-to-video",)),
        ({"reference_images": (1, 9)}, ("reference-to-video",)),
        ({"reference_images": (0, 9)}, ("text-to-video", "reference-to-video")),
        (
            {"first_frame": True, "first_frame_optional": True, "reference_images": (0, 4)},
            ("text-to-video", "image-to-video", "reference-to-video"),
        ),
    ],
)
def test_a_model_makes_the_kinds_of_video_that_its_pictures_allow(
    changes: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    assert _shown(replace(PLAIN, **changes)).kinds == kinds


def test_every_limit_of_a_family_but_its_marker_is_shown() -> None:
    renamed = {"models": "model", "duration_s": "durations", "durations": "only_durations"}
    of_family = {renamed.get(each.name, each.name) for each in fields(ModelFamily)} - {"marker"}
    assert of_family - set(ModelLimits.model_fields) == set()


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_every_model_of_a_provider_is_shown_once(adapter: str) -> None:
    configured = ConfiguredProvider(adapter=ADAPTERS[adapter], account=recorded.account(adapter))
    shown = [each.model for each in models_of(configured)]
    assert shown == [model for family in configured.adapter.CAPABILITIES.families for model in family.models]
    assert len(shown) == len(set(shown))

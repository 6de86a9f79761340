"""The table of API keys says which of them work."""

import pytest

from receiver.cli.display.key_tables import keys_table
from receiver.runtime.key_repository import FIRST_ID
from submitter.api_keys import Key

NOW_MS = 1_790_000_000_000


def a_key(key_id: str, **changes: object) -> Key:
    values = {
        "id": key_id,
        "name": "ci",
        "scopes": ("read",),
        "providers": None,
        "label": None,
        "created_at": None,
        "created_by": None,
        "last_used_at": None,
        "revoked_at": None,
        "is_setting": False,
    }
    return Key.model_validate(values | changes)


SETTING = a_key("setting_all", name="all", is_setting=True)


@pytest.mark.parametrize(
    ("keys", "states"),
    [
        ([a_key("key_1")], ["works"]),
        ([a_key("key_1", revoked_at="2026-09-21T14:00:00.000Z")], ["revoked"]),
        ([a_key(FIRST_ID)], ["works"]),
        ([SETTING, a_key("key_1"), a_key(FIRST_ID)], ["in the settings", "works", "off"]),
        ([SETTING, a_key(FIRST_ID, revoked_at="2026-09-21T14:00:00.000Z")], ["in the settings", "revoked"]),
    ],
)
def test_a_key_works_unless_it_was_revoked_or_is_the_first_beside_the_settings(
    keys: list[Key], states: list[str]
) -> None:
    assert [row[1].text for row in keys_table(keys, NOW_MS).rows] == states  # type: ignore[attr-defined]  # a styled word


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ({}, ""),
        ({"providers": ("hiapi", "dashscope")}, "hiapi, dashscope"),
        ({"label": "team=films"}, "team=films"),
        ({"providers": ("hiapi",), "label": "team=films"}, "hiapi; team=films"),
    ],
)
def test_the_limits_are_the_providers_and_the_label(limits: dict[str, object], shown: str) -> None:
    assert [row[3] for row in keys_table([a_key("key_1", **limits)], NOW_MS).rows] == [shown]

"""The runbook has a heading for each alert rule and each alarm of the dashboard, with something to run or to open."""

import re

import pytest
import yaml

from receiver.metrics.files import alert_rules
from receiver.web.dashboard.model.alarms import RULES
from receiver.web.dashboard.routes import PAGE_ROUTES
from tests.docs.pages import DOCS

TEXT = (DOCS / "runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.+)\n\n((?:(?!^##).*\n)+)", TEXT, re.MULTILINE))
ALERTS = [rule["alert"] for group in yaml.safe_load(alert_rules())["groups"] for rule in group["rules"]]
OF_THE_DASHBOARD = [kind for kind, rule in RULES.items() if not rule]


def test_the_headings_are_the_alert_rules_and_the_alarms_without_one() -> None:
    named = {re.sub(r".*\(`(\w+)`\)", r"\1", heading) for heading in SECTIONS}
    assert named == {*ALERTS, *OF_THE_DASHBOARD}


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_section_says_what_it_means_and_what_to_do(heading: str) -> None:
    meaning, _, cure = SECTIONS[heading].partition("\n\n")
    assert meaning.endswith(".")
    assert re.search(r"`(whenfinal |/ops|job_failed)|^1\. |\]\(", cure, re.MULTILINE), heading


def test_every_page_that_it_names_is_there() -> None:
    paths = {route.path for route in PAGE_ROUTES}
    assert set(re.findall(r"`(/ops[\w/]*)`", TEXT)) <= paths

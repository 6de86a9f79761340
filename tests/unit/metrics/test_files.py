"""The alert rules and the Grafana dashboard: every name in them is one that this version shows."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from receiver.metrics.files import alert_rules, grafana_dashboard
from receiver.metrics.registry import metric_names
from receiver.metrics.snapshot import GAUGES

RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(alert_rules())["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads(grafana_dashboard())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [each["expr"] for panel in PANELS for each in panel["targets"]]
COURSES = Path(__file__).with_name("alerts_test.yml")
_NAME = re.compile(r"\b(?:whenfinal|http_server|process)_\w+")
_STRING = re.compile(r'"[^"]*"')

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus"
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_name_of_an_expression_is_shown_by_this_version(expression: str) -> None:
    names = set(_NAME.findall(_STRING.sub('""', expression)))
    assert names
    assert names <= metric_names() | {"process_cpu_seconds_total"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gauges_that_every_process_shows_are_never_added_up_over_processes(expression: str) -> None:
    added = re.findall(r"\b(?:sum|avg|count)(?: by \([^)]*\))? ?\((\w+)", expression)
    assert not set(added) & set(GAUGES)


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}, rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["annotations"]["description"].endswith("."), rule["alert"]


def test_every_rule_fires_in_a_course_of_values_and_stays_silent_in_another() -> None:
    cases = [case for test in yaml.safe_load(COURSES.read_text())["tests"] for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}


def test_the_dashboard_has_a_row_for_each_part_and_a_unit_and_a_sentence_for_each_panel() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert titles == ["Health", "Submits and callbacks", "Polling", "Delivery"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "provider"}


@needs_promtool
def test_promtool_takes_the_rules_and_each_fires_as_its_course_says(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(alert_rules())
    shutil.copy(COURSES, tmp_path)
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", COURSES.name]):
        run = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
@pytest.mark.parametrize("expression", [each["expr"] for panel in PANELS for each in panel["targets"]])
def test_prometheus_understands_the_expressions_of_the_dashboard(expression: str, tmp_path: Path) -> None:
    plain = expression.replace("$__rate_interval", "5m").replace("$provider", ".*")
    rules = {"groups": [{"name": "panels", "rules": [{"record": "panel", "expr": plain}]}]}
    (tmp_path / "panels.yml").write_text(yaml.safe_dump(rules))
    words = ["promtool", "check", "rules", str(tmp_path / "panels.yml")]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", GAUGES)
def test_the_help_of_a_gauge_is_read_without_that_of_the_one_before(name: str) -> None:
    about, _ = GAUGES[name]
    assert not set(re.findall(r"\w+", about)) & {"them", "it", "latest"}
    assert not about.startswith(("When that", "Since when"))


@pytest.mark.parametrize("text", [alert_rules(), grafana_dashboard()])
def test_a_word_of_a_provider_is_set_and_not_taught(text: str) -> None:
    assert not re.search(r"\b(?:teach|taught)", text, re.IGNORECASE)

"""`whenfinal alerts` and `whenfinal grafana`: print what a monitoring system reads."""

from receiver.cli.console import show
from receiver.metrics.files import alert_rules, grafana_dashboard


def alerts() -> None:
    show(alert_rules().removesuffix("\n"))


def grafana() -> None:
    show(grafana_dashboard().removesuffix("\n"))

"""Alert rules for Prometheus and a dashboard for Grafana, as files of the package."""

from importlib.resources import files


def alert_rules() -> str:
    """Rules for Prometheus, as YAML."""
    return _text("alerts.yml")


def grafana_dashboard() -> str:
    """A dashboard that Grafana imports, as JSON."""
    return _text("grafana.json")


def _text(name: str) -> str:
    return files("receiver.metrics.files").joinpath(name).read_text(encoding="utf-8")

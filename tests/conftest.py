"""Properties are tried without a stop-watch: how fast this machine is at the moment is no property of ours."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

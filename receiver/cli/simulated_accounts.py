"""The settings with which the accounts of the simulator's platforms are used. Pure."""

from receiver.config.accounts import prefix_of
from submitter.simulator.config import BASE_PATHS, KEYS_PATHS, PLATFORMS, SimulatorConfig


def account_settings(origin: str, config: SimulatorConfig) -> dict[str, str]:
    """The settings of each simulated platform, by their names; `origin` is where the simulator listens."""
    settings = {}
    for platform in PLATFORMS:
        prefix, base_url = prefix_of(platform), origin + BASE_PATHS[platform]
        settings[f"{prefix}BASE_URL"] = base_url
        settings[f"{prefix}API_KEY"] = config.key(platform)
        secret = config.webhook_secret(platform)
        if secret is not None:
            settings[f"{prefix}WEBHOOK_SECRET"] = secret
        if platform in KEYS_PATHS:
            settings[f"{prefix}KEYS_URL"] = base_url + KEYS_PATHS[platform]
    return settings

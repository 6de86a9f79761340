"""The list of what can be set for each provider account. Pure; see `receiver.knobs`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKnob:
    """`suffix` follows the account's name in upper case: `HIAPI_B_` + `API_KEY`."""

    suffix: str
    unit: str = ""
    what: str
    danger: str = ""


PROVIDER_KNOBS: tuple[ProviderKnob, ...] = (
    ProviderKnob(
        suffix="API_KEY",
        unit="text",
        what="The account's key.",
        danger="Spends the account's money.",
    ),
    ProviderKnob(
        suffix="BASE_URL",
        unit="URL",
        what="Another region, gateway or the simulator.",
        danger="The key is sent there. https, except to this machine or a private network.",
    ),
)
#: Only where the provider calls back.
CALLBACK_KNOBS: tuple[ProviderKnob, ...] = (
    ProviderKnob(
        suffix="WEBHOOK_SECRET",
        unit="text",
        what="The signing key of the provider's callbacks. Set: every callback must be rightly signed.",
        danger="A wrong one refuses all callbacks; polling still finds the ends.",
    ),
    ProviderKnob(
        suffix="SIGNATURE_WINDOW_S",
        unit="seconds",
        what="How far a signature's time may be from ours; 0 switches the check off.",
        danger="0 lets old callbacks be replayed (they change nothing).",
    ),
)
SIGNATURE_WINDOW_S = 300
LONGEST_SIGNATURE_WINDOW_S = 86_400

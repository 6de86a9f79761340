"""What a demo shows when all goes well."""

from receiver.cli.demo.shown import Shown

SHOWN = Shown(
    retried_s=1.2,
    waited_s=1.3,
    retry_after_s=1,
    asymmetric=60,
    overlapping=30,
    resumed_at=20,
    notified=12,
    queued=8,
    uncertain=5,
    corrected=True,
)

"""A host of `notify`, as a command takes it."""

from receiver.cli.console import USAGE, CommandFailed
from receiver.webhooks.model.endpoint_status import notify_host


def read_host(text: str) -> str:
    """Raise CommandFailed for a text that is no host; for the id of a subscription, name its own command."""
    if text.startswith("sub_"):
        raise CommandFailed(f"{text} is a subscription; run: whenfinal subscriptions resume {text}", status=USAGE)
    try:
        return notify_host(text)
    except ValueError as error:
        raise CommandFailed(f"{text}: {error}", status=USAGE) from None

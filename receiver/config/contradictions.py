"""Rules for settings that are valid one by one and contradict each other.

Pure. Each rule takes the values that it compares and yields the problems that it finds.
"""

from collections.abc import Iterator

from receiver.config.problems import SettingProblem
from receiver.config.types import host_address, is_loopback
from receiver.store.url import LedgerServer, read_database_url
from submitter.providers.contract import Account


def check_order(*pairs: tuple[str, float, str, float]) -> Iterator[SettingProblem]:
    """In each pair the first setting must not be more than the second."""
    for low_name, low, high_name, high in pairs:
        if low > high:
            hint = f"lower it, or raise {high_name}"
            yield SettingProblem(variable=low_name, rule=f"it is more than {high_name}", hint=hint)


def check_public_url(url: str | None, callers: list[Account]) -> Iterator[SettingProblem]:
    """A provider elsewhere that calls back needs a URL that it can reach, and an encrypted one."""
    far = [account.name for account in callers if not is_loopback(account.base_url)]
    if url is None or not far:
        return
    address = host_address(url)
    if is_loopback(url) or (address is not None and not address.is_global):
        yield SettingProblem(
            variable="WHENFINAL_PUBLIC_URL",
            rule=f"{', '.join(far)} can not reach an address of this machine or a private network",
            hint="set the address that the internet knows, or leave it out to poll instead",
        )
    elif not url.startswith("https://"):
        yield SettingProblem(
            variable="WHENFINAL_PUBLIC_URL",
            rule=f"callbacks of {', '.join(far)} would cross the internet unencrypted",
            hint="use https, or leave it out to poll instead",
        )


def check_dashboard_url(url: str | None) -> Iterator[SettingProblem]:
    """Keys are given there, so it must be encrypted."""
    if url is not None and not url.startswith("https://") and not is_loopback(url):
        yield SettingProblem(
            variable="WHENFINAL_DASHBOARD_URL",
            rule="keys would cross the network unencrypted",
            hint="use https, or leave it out and open a tunnel to this service",
        )


def check_listen_url(database_url: str, listen_url: str | None) -> Iterator[SettingProblem]:
    if listen_url is None:
        return
    if not all(isinstance(read_database_url(url), LedgerServer) for url in (listen_url, database_url)):
        yield SettingProblem(
            variable="WHENFINAL_DATABASE_LISTEN_URL",
            rule="only a Postgres server can be listened to",
            hint="set both database URLs to postgresql://…, or leave this one out",
        )


def check_speed(speed: float, accounts: tuple[Account, ...]) -> Iterator[SettingProblem]:
    far = [account.name for account in accounts if not is_loopback(account.base_url)]
    if speed != 1 and far:
        yield SettingProblem(
            variable="WHENFINAL_PROVIDER_SPEED",
            rule=f"{', '.join(far)} is no simulator on this machine and keeps real time",
            hint="leave it out, or set every provider's base URL to the simulator",
        )

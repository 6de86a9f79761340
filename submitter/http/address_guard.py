"""Which addresses outbound calls to strangers' endpoints may reach.

Pure: names are resolved elsewhere. `check_endpoint` judges what can be seen in a URL, so that a bad one is refused when
it is given; what a name resolves to is judged by `AddressGuard` at each connect (`submitter.transport`), because a
name may point elsewhere by then.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address

Network = IPv4Network | IPv6Network

#: IANA special-purpose registries for IPv4 and IPv6, and what clouds keep for themselves; the first that holds wins.
_FORBIDDEN: tuple[tuple[Network, str], ...] = (
    (ip_network("169.254.169.254/32"), "a cloud's metadata service"),
    (ip_network("168.63.129.16/32"), "a cloud's own service"),  # public by number, answered by the host beneath
    (ip_network("0.0.0.0/32"), "unspecified"),
    (ip_network("0.0.0.0/8"), "reserved"),
    (ip_network("10.0.0.0/8"), "private"),
    (ip_network("100.64.0.0/10"), "shared (carrier-grade NAT)"),
    (ip_network("127.0.0.0/8"), "loopback"),
    (ip_network("169.254.0.0/16"), "link-local"),
    (ip_network("172.16.0.0/12"), "private"),
    (ip_network("192.0.0.0/24"), "reserved"),
    (ip_network("192.0.2.0/24"), "reserved"),
    (ip_network("192.88.99.0/24"), "reserved"),
    (ip_network("192.168.0.0/16"), "private"),
    (ip_network("198.18.0.0/15"), "reserved"),
    (ip_network("198.51.100.0/24"), "reserved"),
    (ip_network("203.0.113.0/24"), "reserved"),
    (ip_network("224.0.0.0/4"), "multicast"),
    (ip_network("240.0.0.0/4"), "reserved"),
    (ip_network("::/128"), "unspecified"),
    (ip_network("::1/128"), "loopback"),
    (ip_network("fc00::/7"), "private"),
    (ip_network("fe80::/10"), "link-local"),
    (ip_network("fec0::/10"), "private"),
    (ip_network("ff00::/8"), "multicast"),
    (ip_network("2001::/23"), "reserved"),  # Teredo among them, which holds another IPv4 address
    (ip_network("2001:db8::/32"), "reserved"),
    (ip_network("3fff::/20"), "reserved"),
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")

#: IPv6 forms that lead to an IPv4 address, and how far its 32 bits are from the right end. Older ones are reserved.
_CARRIERS: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)

_LOOPBACK_NAMES = re.compile(r"(?:.+\.)?localhost\.?")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"

_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)  # as the DNS has them

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")

_NOT_IN_URL = re.compile(r"[^!-\[\]-~]")  # printable ASCII without space and backslash


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGuard:
    """Everything but the public internet is forbidden, unless it lies inside `allow`."""

    allow: tuple[Network, ...] = ()

    def forbids(self, address: Address) -> str | None:
        """What kind of address it is, if it may not be reached."""
        if self.allows(address):
            return None
        return _kind(carried_address(address) or address)

    def allows(self, address: Address) -> bool:
        """Whether the operator named a range that holds it. Only the mapped form is the same host as what it holds."""
        plain = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
        return any(plain in network or address in network for network in self.allow)


def carried_address(address: Address) -> IPv4Address | None:
    """The IPv4 address inside an IPv6 one of a form that leads there."""
    if isinstance(address, IPv4Address):
        return None
    shift = next((shift for network, shift in _CARRIERS if address in network), None)
    return None if shift is None else IPv4Address(int(address) >> shift & 0xFFFF_FFFF)


def literal_address(host: str) -> Address | None:
    """The address that a host of a URL is, in any form that a resolver takes (`0x7f.1`, `2130706433`); None for names.

    Brackets are off already.
    """
    try:
        return ip_address(host)
    except ValueError:
        return _legacy_ipv4(host.lower().removesuffix("."))


def check_endpoint(url: str, guard: AddressGuard) -> str | None:
    """Why webhooks may not go to an address, as far as the text alone tells; None when they may."""
    if _NOT_IN_URL.search(url):
        return "holds characters that no URL has"
    try:
        parts = urlsplit(url)
        port = parts.port  # only reading it raises ValueError
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "is not an https URL"
    if "@" in parts.netloc:
        return "holds a user name or password"
    if port == 0:
        return "names port 0, at which nobody can be"
    return _check_host(parts, parts.hostname, guard)


def _check_host(parts: SplitResult, host: str, guard: AddressGuard) -> str | None:
    addresses = _known_addresses(host)
    forbidden = next((kind for address in addresses if (kind := guard.forbids(address))), None)
    if forbidden is not None:
        return f"names an address that is {forbidden}"
    if not addresses and ("[" in parts.netloc or not _is_name(host)):
        return "names a host that can not be"
    is_allowed = bool(addresses) and all(guard.allows(address) for address in addresses)
    if parts.scheme == "http" and not is_allowed:
        return "is not https, which only hosts inside the allowed private ranges may do without"
    return None


def _is_name(host: str) -> bool:
    """Four numbers with dots that are no address are no name either."""
    return bool(_NAME.fullmatch(host)) and not host.rstrip(".").rpartition(".")[2].isdigit()


def _known_addresses(host: str) -> tuple[Address, ...]:
    """What a host surely means without asking anybody."""
    literal = literal_address(host)
    if literal is not None:
        return (literal,)
    return (IPv4Address("127.0.0.1"),) if _LOOPBACK_NAMES.fullmatch(host.lower()) else ()


def _kind(address: Address) -> str | None:
    kind = next((kind for network, kind in _FORBIDDEN if address in network), None)
    if kind is None and isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "reserved"
    return kind


def _legacy_ipv4(host: str) -> IPv4Address | None:
    """As `inet_aton` reads: up to four numbers, decimal, octal or hexadecimal, the last of which fills what is left."""
    texts = host.split(".")
    if len(texts) > 4 or not all(_NUMBER.fullmatch(text) for text in texts) or len(host) > 64:
        return None
    try:
        *heads, last = (_legacy_number(text) for text in texts)
    except ValueError:
        return None
    room = 8 * (4 - len(heads))
    if any(head > 255 for head in heads) or last >= 1 << room:
        return None
    number = last
    for place, head in enumerate(heads):
        number |= head << (24 - 8 * place)
    return IPv4Address(number)


def _legacy_number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)

"""The addresses that outbound requests to untrusted URLs may reach: the public internet, and what the operator allows.

Pure; `submitter.http.resolver` looks up names. `check_endpoint` checks the text of a URL, so that a forbidden one is
refused when it is configured. `submitter.http.transport` checks each resolved address with `AddressGuard` at each
connect, because a name can resolve to another address by then.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address

Network = IPv4Network | IPv6Network

#: The IANA special-purpose registries for IPv4 and IPv6, and the addresses of cloud services. The first match counts.
_FORBIDDEN: tuple[tuple[Network, str], ...] = (
    (ip_network("169.254.169.254/32"), "a cloud's metadata service"),
    (ip_network("168.63.129.16/32"), "a cloud's own service"),  # in a public range, but answered by the VM's host
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
    (ip_network("2001::/23"), "reserved"),  # includes Teredo, which embeds an IPv4 address
    (ip_network("2001:db8::/32"), "reserved"),
    (ip_network("3fff::/20"), "reserved"),
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")

#: IPv6 ranges that embed an IPv4 address, and how many bits lie to its right. Other such ranges are reserved.
_EMBEDDING_IPV4: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)

_LOOPBACK_NAMES = re.compile(r"(?:.+\.)?localhost\.?")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"

_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)  # as in the DNS

_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")

_NOT_IN_URL = re.compile(r"[^!-\[\]-~]")  # printable ASCII without space and backslash


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGuard:
    """Forbids every address that is not public, except those inside `allow`."""

    allow: tuple[Network, ...] = ()

    def forbids(self, address: Address) -> str | None:
        """Return what kind of address it is if it is forbidden, else None."""
        if self.allows(address):
            return None
        return _kind(embedded_ipv4(address) or address)

    def allows(self, address: Address) -> bool:
        """Whether the address is inside `allow`. Of the IPv6 forms, only a mapped one is the same host as its IPv4."""
        plain = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
        return any(plain in network or address in network for network in self.allow)


def embedded_ipv4(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds, None without one."""
    if isinstance(address, IPv4Address):
        return None
    shift = next((shift for network, shift in _EMBEDDING_IPV4 if address in network), None)
    return None if shift is None else IPv4Address(int(address) >> shift & 0xFFFF_FFFF)


def literal_address(host: str) -> Address | None:
    """Return the address that a host is, in any form that resolvers accept (`0x7f.1`, `2130706433`); None for a name.

    `host` has no brackets.
    """
    try:
        return ip_address(host)
    except ValueError:
        return _legacy_ipv4(host.lower().removesuffix("."))


def check_endpoint(url: str, guard: AddressGuard) -> str | None:
    """Return why no webhook may be sent to a URL, as far as its text shows; None if it is allowed."""
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
        return "names port 0, which no server can use"
    return _check_host(parts, parts.hostname, guard)


def _check_host(parts: SplitResult, host: str, guard: AddressGuard) -> str | None:
    addresses = _known_addresses(host)
    forbidden = next((kind for address in addresses if (kind := guard.forbids(address))), None)
    if forbidden is not None:
        return f"names an address that is {forbidden}"
    if not addresses and ("[" in parts.netloc or not _is_name(host)):
        return "names a host that cannot exist"
    is_allowed = bool(addresses) and all(guard.allows(address) for address in addresses)
    if parts.scheme == "http" and not is_allowed:
        return "is not https, and plain http is accepted only inside the allowed private ranges"
    return None


def _is_name(host: str) -> bool:
    """A host that ends in a number is not a name: `1.2.3.256` is neither an address nor a name."""
    return bool(_NAME.fullmatch(host)) and not host.rstrip(".").rpartition(".")[2].isdigit()


def _known_addresses(host: str) -> tuple[Address, ...]:
    """Return the addresses of a host that are known without a lookup."""
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
    """Read a host as `inet_aton` does: up to four decimal, octal or hex numbers; the last fills the remaining bytes."""
    texts = host.split(".")
    if len(texts) > 4 or not all(_NUMBER.fullmatch(text) for text in texts) or len(host) > 64:
        return None
    try:
        *heads, last = (_legacy_number(text) for text in texts)
    except ValueError:
        return None
    last_bits = 8 * (4 - len(heads))
    if any(head > 255 for head in heads) or last >= 1 << last_bits:
        return None
    number = last
    for place, head in enumerate(heads):
        number |= head << (24 - 8 * place)
    return IPv4Address(number)


def _legacy_number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)

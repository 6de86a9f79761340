"""Which addresses and URLs the guard lets through."""

import socket
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submitter.http.address_guard import AddressGuard, check_endpoint, literal_address

GUARD = AddressGuard()
INSIDE = AddressGuard(allow=(ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8"), ip_network("::1/128")))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fd00:ec2::254", "private"),
        ("fec0::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "cloud"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.100.100.200", "carrier-grade NAT"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.1.2.3", "reserved"),
        ("192.0.0.192", "reserved"),
        ("198.18.0.1", "reserved"),
        ("203.0.113.9", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2001:0:7f00:1::", "reserved"),  # Teredo
        ("::7f00:1", "reserved"),  # the deprecated compatible form of 127.0.0.1
        ("4000::1", "reserved"),
        ("64:ff9b:1::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("2002:7f00:1::", "loopback"),
        ("2002:c0a8:101::1", "private"),
    ],
)
def test_an_address_that_is_not_public_is_forbidden_and_named(text: str, kind: str) -> None:
    assert kind in (GUARD.forbids(ip_address(text)) or "")


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_may_be_reached(text: str) -> None:
    assert GUARD.forbids(ip_address(text)) is None


@given(st.ip_addresses(v=4))
def test_nothing_that_python_calls_private_passes(address: IPv4Address) -> None:
    assert address.is_global or GUARD.forbids(address)


@pytest.mark.parametrize("text", ["10.1.2.3", "127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_what_lies_inside_an_allowed_range_may_be_reached(text: str) -> None:
    assert INSIDE.forbids(ip_address(text)) is None


@pytest.mark.parametrize("text", ["10.2.0.1", "192.168.1.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "fe80::1"])
def test_an_allowed_range_lets_nothing_else_in(text: str) -> None:
    assert INSIDE.forbids(ip_address(text))


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "2130706433", "0x7f.1", "0x7F000001", "017700000001", "127.1", "127.0.1."]
)
def test_every_spelling_of_an_address_is_that_address(text: str) -> None:
    assert literal_address(text) == IPv4Address("127.0.0.1")


def _spellings(number: int) -> list[str]:
    return [str(number), f"0{number:o}", hex(number), f"0X{number:X}"]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", [0, 1, 127, 254, 255, 256, 257, 65_535])
def test_a_byte_may_be_255_and_no_more_in_every_place_and_spelling(place: int, number: int) -> None:
    for spelling in _spellings(number):
        parts = ["1"] * 4
        parts[place] = spelling
        expected = None if number > 255 else IPv4Address(bytes([number if n == place else 1 for n in range(4)]))
        assert literal_address(".".join(parts)) == expected, parts


@pytest.mark.parametrize(
    ("heads", "most"), [((), 2**32 - 1), ((10,), 2**24 - 1), ((10, 255), 2**16 - 1), ((255, 255, 255), 255)]
)
def test_the_last_number_fills_the_remaining_bytes_and_no_more(heads: tuple[int, ...], most: int) -> None:
    prefix = "".join(f"{head:#x}." for head in heads)
    for spelling in _spellings(most):
        assert literal_address(prefix + spelling) == IPv4Address(socket.inet_aton(prefix + spelling.lower()))
    for spelling in _spellings(most + 1):
        assert literal_address(prefix + spelling) is None


@given(st.text("0123456789abcdefx.", max_size=20))
def test_numeric_hosts_are_read_as_the_resolver_reads_them(host: str) -> None:
    try:
        expected = IPv4Address(socket.inet_aton(host)) if host else None
    except OSError:
        expected = None
    assert expected is None or literal_address(host) == expected


@pytest.mark.parametrize(
    "host", ["example.com", "1.2.3.4.5", "256.1.1.1", "0x", "08.1", "4294967296", "9" * 5_000, "é", ""]
)
def test_a_name_or_nonsense_is_no_address_that_matters(host: str) -> None:
    assert literal_address(host) in {None, IPv4Address(0)}


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example.com/a?b=c#d", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/", "HTTPS://EXAMPLE.com"],
)
def test_a_public_https_address_is_accepted(url: str) -> None:
    assert check_endpoint(url, GUARD) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a", "http://localhost/", "http://10.1.0.9/", "http://[::1]:1/"])
def test_plain_http_is_accepted_inside_the_allowed_ranges_only(url: str) -> None:
    assert check_endpoint(url, INSIDE) is None
    assert "address that is" in (check_endpoint(url, GUARD) or "")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/", "not https"),
        ("http://8.8.8.8/", "not https"),
        ("https://2130706433/", "loopback"),
        ("https://0x7f.1/", "loopback"),
        ("https://[::ffff:127.0.0.1]/", "loopback"),
        ("https://169.254.169.254/latest", "metadata"),
        ("https://a.localhost./", "loopback"),
        ("https://ann:pw@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("ftp://example.com/", "not an https URL"),
        ("javascript:alert(1)", "not an https URL"),
        ("https:///a", "not an https URL"),
        ("", "not an https URL"),
        ("https://example.com:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://example.com:0/", "port 0"),
        ("https://example..com/", "host that cannot exist"),
        ("https://-/", "host that cannot exist"),
        ("https://xn--/", "host that cannot exist"),
        (f"https://{'a' * 64}.example/", "host that cannot exist"),
        (f"https://{'a.' * 127}example/", "host that cannot exist"),
        ("https://256.256.256.256/", "host that cannot exist"),
        ("https://%31.example/", "host that cannot exist"),
        ("https://[v1.a]/", "host that cannot exist"),
        ("https://exa mple.com/", "characters"),
        ("https://example.com/\n", "characters"),
        ("https://example.com\\@10.0.0.1/", "characters"),
        ("https://例子.example/", "characters"),
        ("https://example.com/\x00\ud800", "characters"),
    ],
)
def test_any_other_endpoint_is_refused_with_its_reason(url: str, reason: str) -> None:
    assert reason in (check_endpoint(url, GUARD) or "")


@given(st.text())
def test_no_text_makes_the_check_raise(text: str) -> None:
    check_endpoint(text, GUARD)
    check_endpoint(f"https://{text}/", GUARD)

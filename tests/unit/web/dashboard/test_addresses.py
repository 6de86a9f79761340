"""Whose forms count, where a key may be given, and where a sign-in leads."""

import pytest

from receiver.web.dashboard.model.addresses import is_from_elsewhere, is_secure, next_page, why_no_sign_in

HTTPS = "https://ops.example"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_method_that_changes_nothing_may_come_from_anywhere(method: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example", "host": "ops.example"}
    assert not is_from_elsewhere(method, headers, own_url=HTTPS, has_cookie=True)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_browser_that_names_another_site_is_refused_whatever_its_origin_says(site: str) -> None:
    headers = {"sec-fetch-site": site, "origin": HTTPS, "host": "ops.example"}
    assert is_from_elsewhere("POST", headers, own_url=HTTPS, has_cookie=True)


def test_a_browser_that_names_the_same_origin_passes() -> None:
    headers = {"sec-fetch-site": "same-origin", "host": "127.0.0.1:8000"}
    assert not is_from_elsewhere("POST", headers, own_url=None, has_cookie=True)


@pytest.mark.parametrize(
    ("origin", "host", "is_refused"),
    [
        ("https://ops.example", "ops.example", False),
        ("https://ops.example", "127.0.0.1:8000", False),  # a proxy that rewrites the host
        ("http://10.0.0.5:8000", "10.0.0.5:8000", False),
        ("http://10.0.0.5:8001", "10.0.0.5:8000", True),
        ("https://ops.example.evil.example", "ops.example", True),
        ("null", "ops.example", True),
    ],
)
def test_without_a_site_the_origin_must_be_ours(origin: str, host: str, is_refused: bool) -> None:
    headers = {"origin": origin, "host": host}
    assert is_from_elsewhere("POST", headers, own_url=HTTPS, has_cookie=True) == is_refused


def test_a_cookie_without_either_header_is_refused_and_no_cookie_is_no_browser() -> None:
    assert is_from_elsewhere("POST", {"host": "ops.example"}, own_url=HTTPS, has_cookie=True)
    assert not is_from_elsewhere("POST", {"host": "ops.example"}, own_url=HTTPS, has_cookie=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
@pytest.mark.parametrize("public_url", [None, "http://203.0.113.9", HTTPS])
def test_a_key_may_be_given_on_this_machine(host: str, public_url: str | None) -> None:
    assert why_no_sign_in({"host": host}, public_url) is None


@pytest.mark.parametrize(
    ("host", "public_url", "words"),
    [
        ("203.0.113.9", "http://203.0.113.9", "plain http"),
        ("whenfinal.example", None, "Set WHENFINAL_PUBLIC_URL"),
        ("", None, "Set WHENFINAL_PUBLIC_URL"),
        ("[", None, "Set WHENFINAL_PUBLIC_URL"),
        ("[::1", None, "Set WHENFINAL_PUBLIC_URL"),
        ("localhost.evil.example", None, "Set WHENFINAL_PUBLIC_URL"),
        ("other.example", HTTPS, "https://ops.example/ops"),
    ],
)
def test_elsewhere_a_key_wants_https(host: str, public_url: str | None, words: str) -> None:
    assert words in (why_no_sign_in({"host": host}, public_url) or "")


def test_at_the_public_https_address_a_key_may_be_given() -> None:
    assert why_no_sign_in({"host": "ops.example"}, HTTPS) is None
    assert why_no_sign_in({"host": "OPS.example"}, HTTPS) is None


@pytest.mark.parametrize("origin", ["http://203.0.113.9", "null", "", "[", "http://localhost.evil.example"])
def test_behind_a_proxy_that_names_itself_a_key_is_not_taken_in_plain_http(origin: str) -> None:
    headers = {"host": "127.0.0.1:8000", "origin": origin}
    assert why_no_sign_in(headers, "http://203.0.113.9") is not None
    assert why_no_sign_in(headers, None) is not None
    assert why_no_sign_in({"host": "127.0.0.1:8000", "x-forwarded-for": "203.0.113.7"}, None) is not None


def test_behind_a_proxy_that_names_itself_a_key_may_be_given_by_https() -> None:
    assert why_no_sign_in({"host": "127.0.0.1:8000", "x-forwarded-proto": "https"}, HTTPS) is None
    assert why_no_sign_in({"host": "127.0.0.1:8000", "origin": HTTPS}, HTTPS) is None


def test_a_cookie_is_for_https_where_the_browser_says_so_or_the_settings_do() -> None:
    assert is_secure({"origin": HTTPS, "host": "127.0.0.1:8000"}, HTTPS)
    assert not is_secure({"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"}, HTTPS)
    assert is_secure({"host": "ops.example"}, HTTPS)
    assert not is_secure({"host": "127.0.0.1:8000"}, HTTPS)
    assert not is_secure({"host": "127.0.0.1:8000"}, None)


@pytest.mark.parametrize("wanted", ["/ops", "/ops/tasks?state=uncertain", "/ops?x=1"])
def test_a_sign_in_leads_back_to_a_page_of_the_dashboard(wanted: str) -> None:
    assert next_page(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/opsx",
        "/v1/tasks",
        "/ops/\r\nSet-Cookie: a=b",
        f"/ops/{'x' * 3000}",
        "javascript:alert(1)",
        "/ops/é",
    ],
)
def test_a_sign_in_leads_nowhere_else(wanted: str) -> None:
    assert next_page(wanted) == "/ops"

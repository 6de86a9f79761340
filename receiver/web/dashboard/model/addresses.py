"""Which requests of a browser count, by where they come from and where they go. Pure.

There are no tokens in forms. A browser says itself whether a request comes from a page of the same origin: in
`Sec-Fetch-Site`, which it sends over https and to this machine, or else in `Origin`, which it sends with every POST.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from receiver.config.types import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

ROOT = "/ops"

LONGEST_NEXT = 2_000  # characters of the page that a sign-in leads back to


def is_from_elsewhere(method: str, headers: Mapping[str, str], *, own_url: str | None, has_cookie: bool) -> bool:
    """Whether a request that may change something comes from a page that is not ours, or does not prove that it is.

    Without a cookie and without both headers it does not come from a browser, and carries nobody's rights.
    """
    if method in SAFE_METHODS:
        return False
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] != "same-origin"
    if "origin" in headers:
        return headers["origin"] not in own_origins(headers.get("host", ""), own_url)
    return has_cookie


def own_origins(host: str, own_url: str | None) -> frozenset[str]:
    """The origins of our pages. A proxy may speak https to the browser and plain http to us."""
    origins = {f"http://{host}"} if host else set()
    if own_url is not None:
        parts = urlsplit(own_url)
        origins.add(f"{parts.scheme}://{parts.netloc}")
    return frozenset(origins)


#: What a proxy adds. Its `Host` may then be that of this process, whatever address the browser shows.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def why_no_sign_in(headers: Mapping[str, str], own_url: str | None) -> str | None:
    """Why no key may be given at the address that the browser shows; None where it may.

    A key in plain http can be read on its way, so the address must be https or of this machine.
    """
    host = _shown_host(headers)
    if host is not None and _is_this_machine(host):
        return None
    if own_url is None:
        return (
            "Sign-in wants https, or an address of this machine. Set WHENFINAL_PUBLIC_URL to the https address of this "
            "service, or WHENFINAL_DASHBOARD_URL to that of the dashboard; or open a tunnel to it and use http://127.0.0.1."
        )
    parts = urlsplit(own_url)
    if parts.scheme != "https":
        return (
            "Sign-in wants https, and the dashboard's address is plain http. Set WHENFINAL_PUBLIC_URL or "
            "WHENFINAL_DASHBOARD_URL to an https address, or open a tunnel to this service and use http://127.0.0.1."
        )
    if host is not None and host.lower() != parts.netloc.lower():
        return f"Sign-in works only at https://{parts.netloc}{ROOT}, where the settings say that the dashboard is."
    return None


def _shown_host(headers: Mapping[str, str]) -> str | None:
    """The host that the browser shows, as its `Origin` says; a request without one has it as `Host`.

    None where a proxy may have put another `Host` in its place.
    """
    if "origin" in headers:
        return headers["origin"].partition("://")[2]
    host = headers.get("host", "")
    return None if _is_this_machine(host) and any(name in headers for name in _FORWARDED) else host


def is_secure(headers: Mapping[str, str], own_url: str | None) -> bool:
    """Whether the browser reaches us by https: it says so with a POST, and without that the settings do."""
    if "origin" in headers:
        return headers["origin"].startswith("https:")
    is_https = own_url is not None and own_url.startswith("https:")
    return is_https and not _is_this_machine(headers.get("host", ""))


def _is_this_machine(host: str) -> bool:
    """Whether a Host header, which may be any text, names this machine."""
    try:
        return is_loopback(f"http://{host}")
    except ValueError:
        return False


def next_page(wanted: str) -> str:
    """The page that a sign-in leads to: one of the dashboard, whatever was asked for."""
    is_ours = wanted == ROOT or wanted.startswith((f"{ROOT}/", f"{ROOT}?"))
    is_plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and len(wanted) <= LONGEST_NEXT
    return wanted if is_ours and is_plain else ROOT

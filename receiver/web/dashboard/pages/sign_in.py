"""Sign in with an API key, and sign out."""

import secrets

import structlog
from starlette.responses import Response

from receiver.config.api_keys import Scope
from receiver.web.dashboard.guard import SignInLimit
from receiver.web.dashboard.model.addresses import ROOT, is_secure, next_page, why_no_sign_in
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.dashboard.session import end_session, set_session, sign_session
from receiver.web.problems import Kind, Problem, with_retry_after

log = structlog.get_logger(__name__)

LONGEST_KEY = 512  # characters

_WRONG = "This is no key of this service. Nothing was done."

_NO_READ = "This key does not have the scope read, which every page needs."

_IS_LIMITED = "This key is limited to some providers or to a label, and the pages show the whole service."


async def show_sign_in(view: View) -> Page | Response:
    if view.viewer is not None:
        return redirect(next_page(view.asked("next")))
    return _page(view, next_page(view.asked("next")))


async def sign_in(view: View) -> Page | Response:
    """Start a session. Further wrong keys of one address are refused for a while.

    A right key always signs in, because many people may share the address of one that sends wrong keys.
    """
    wanted = next_page(view.form.get("next", ""))
    refusal = why_no_sign_in(view.request.headers, view.services.settings.dashboard_url)
    if refusal is not None:
        return _page(view, wanted)
    limit: SignInLimit = view.request.app.state.sign_in_limit
    client = view.request.client
    address, now_s = "" if client is None else client.host, view.now_ms / 1000
    key = await view.services.keyring.find(view.form.get("key", "").strip().encode()[:LONGEST_KEY])
    if key is None:
        if wait_s := limit.wait_s(address, now_s):
            problem = Problem(Kind.OTHER, "Too many wrong keys came from this address.", status=429)
            raise with_retry_after(problem, wait_s)
        limit.count_wrong(address, now_s)
        log.warning("sign_in_refused", client=address)
        return _page(view, wanted, _WRONG, 403)
    if Scope.READ not in key.scopes or key.limits.are_set:
        return _page(view, wanted, _IS_LIMITED if key.limits.are_set else _NO_READ, 403)
    text = sign_session(view.services.secret_keys, key, nonce=secrets.token_urlsafe(16), now_s=view.now_ms // 1000)
    answer = redirect(wanted)
    set_session(answer, text, is_secure=is_secure(view.request.headers, view.services.settings.dashboard_url))
    log.info("signed_in", key=key.name)
    return answer


async def sign_out(_view: View) -> Response:
    answer = redirect(f"{ROOT}/sign-in")
    end_session(answer)
    return answer


def _page(view: View, wanted: str, refusal: str = "", status: int = 200) -> Page:
    why_not = why_no_sign_in(view.request.headers, view.services.settings.dashboard_url)
    return Page(
        template="sign_in.html",
        title="Sign in",
        live="",
        status=403 if why_not and view.request.method == "POST" else status,
        values={
            "next": wanted,
            "refusal": why_not or refusal,
            "is_allowed": why_not is None,
            "has_ended": view.asked("ended") == "1",
        },
    )

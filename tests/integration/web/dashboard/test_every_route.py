"""What holds for every address of the dashboard: nobody sees it signed out, and its scope is checked by the server."""

import re

from receiver.config.api_keys import Scope
from receiver.web.dashboard.routes import PAGE_ROUTES
from tests.support.dashboard import is_page, visiting
from tests.support.service import Served


def _address(path: str) -> str:
    return re.sub("{[a-z]+}", "x", path)


async def test_signed_out_every_page_leads_to_the_sign_in_and_every_form_does_nothing(service: Served) -> None:
    async with visiting(service, None) as browser:
        for route in PAGE_ROUTES:
            if route.scope is None:
                continue
            answer = await browser.request(route.method, _address(route.path))
            if route.method == "GET":
                assert answer.status_code == 303, route.path
                assert answer.headers["location"].startswith("/ops/sign-in?next="), route.path
            else:
                assert "Nothing was done" in is_page(answer, 401), route.path


async def test_who_only_looks_reaches_no_address_that_acts(service: Served) -> None:
    async with visiting(service, "read") as browser:
        for route in PAGE_ROUTES:
            if route.scope is Scope.OPERATE:
                answer = await browser.request(route.method, _address(route.path))
                assert "scope operate" in is_page(answer, 403), route.path


async def test_every_form_of_another_site_is_refused(service: Served) -> None:
    async with visiting(service) as browser:
        for route in PAGE_ROUTES:
            if route.method != "GET":
                foreign = {"Sec-Fetch-Site": "cross-site"}
                is_page(await browser.post(_address(route.path), headers=foreign), 403)


async def test_every_page_that_is_asked_for_has_the_headers_of_a_page(service: Served) -> None:
    async with visiting(service) as browser:
        for route in PAGE_ROUTES:
            answer = await browser.get(_address(route.path))
            assert answer.status_code < 500, route.path
            if answer.status_code != 303:
                is_page(answer, answer.status_code)
            fragment = await browser.get(_address(route.path), headers={"HX-Request": "true"})
            assert fragment.status_code < 500, route.path


def test_whatever_posts_needs_the_scope_to_act() -> None:
    open_ones = {route.path for route in PAGE_ROUTES if route.method != "GET" and route.scope is not Scope.OPERATE}
    assert open_ones == {"/ops/sign-in", "/ops/sign-out"}

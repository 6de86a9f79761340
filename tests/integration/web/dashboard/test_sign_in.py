"""Sign in with a key, stay signed in, and be out again: by sign-out, by time, by the key's end."""

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from receiver.web.dashboard.guard import TRIES
from receiver.web.dashboard.session import SESSION_S, sign_session
from tests.support.dashboard import SAME_ORIGIN, is_page, visiting
from tests.support.service import KEYS, SECRET_KEY, Served, served


async def test_a_page_leads_to_the_sign_in_and_the_sign_in_leads_back(service: Served) -> None:
    wanted = "/ops/tasks?state=uncertain"
    async with visiting(service, None) as browser:
        sent_away = await browser.get(wanted)
        assert sent_away.status_code == 303
        assert sent_away.headers["location"] == f"/ops/sign-in?next={quote(wanted, safe='')}"
        assert 'value="/ops/tasks?state=uncertain"' in is_page(await browser.get(sent_away.headers["location"]))
        back = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1], "next": wanted})
        assert (back.status_code, back.headers["location"]) == (303, wanted)
        is_page(await browser.get(wanted))


async def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(service: Served) -> None:
    async with visiting(service, None) as browser:
        answer = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("whenfinal_ops=")
    assert {"HttpOnly", "SameSite=lax", "Path=/ops", f"Max-Age={SESSION_S}"} <= set(cookie.split("; "))
    assert KEYS["read"][1] not in cookie


async def test_behind_https_the_cookie_goes_nowhere_else(tmp_path: Path) -> None:
    async with (
        served(tmp_path, WHENFINAL_PUBLIC_URL="https://ops.example") as service,
        visiting(service, None) as browser,
    ):
        headers = {"Host": "ops.example", "Origin": "https://ops.example"}
        answer = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]}, headers=headers)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-whenfinal_ops=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()


async def test_a_dashboard_at_an_address_of_its_own_takes_keys_there_and_not_at_the_public_one(tmp_path: Path) -> None:
    async with (
        served(
            tmp_path,
            WHENFINAL_PUBLIC_URL="https://hooks.example",
            WHENFINAL_DASHBOARD_URL="https://ops.internal.example",
        ) as service,
        visiting(service, None) as browser,
    ):
        key = {"key": KEYS["read"][1]}
        elsewhere = {"Host": "hooks.example", "Origin": "https://hooks.example"}
        refused = is_page(await browser.post("/ops/sign-in", data=key, headers=elsewhere), 403)
        assert "https://ops.internal.example/ops" in refused
        headers = {"Host": "ops.internal.example", "Origin": "https://ops.internal.example"}
        answer = await browser.post("/ops/sign-in", data=key, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ops")
        assert answer.headers["set-cookie"].startswith("__Host-whenfinal_ops=")


async def test_a_wrong_key_is_refused_in_words_and_many_are_slowed_down(service: Served) -> None:
    async with visiting(service, None) as browser:
        for _ in range(TRIES):
            page = is_page(await browser.post("/ops/sign-in", data={"key": "<b>wrong-key-0000001"}), 403)
            assert "no key of this service" in page
            assert "<b>wrong" not in page
        stopped = await browser.post("/ops/sign-in", data={"key": "a-wrong-key-0000001"})
        is_page(stopped, 429)
        assert int(stopped.headers["retry-after"]) >= 1
        assert not browser.cookies
        right = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]})
        assert right.status_code == 303  # another person at the same address


async def test_a_key_that_cannot_look_does_not_sign_in(service: Served) -> None:
    async with visiting(service, None) as browser:
        for key in ("submit", "operate"):
            page = is_page(await browser.post("/ops/sign-in", data={"key": KEYS[key][1]}), 403)
            assert "scope read" in page
        assert not browser.cookies


@pytest.mark.parametrize(
    ("host", "public_url"), [("203.0.113.9", "http://203.0.113.9"), ("whenfinal.example", "https://ops.example")]
)
async def test_a_key_is_not_taken_where_it_could_be_read_on_its_way(tmp_path: Path, host: str, public_url: str) -> None:
    async with served(tmp_path, WHENFINAL_PUBLIC_URL=public_url) as service, visiting(service, None) as browser:
        shown = is_page(await browser.get("/ops/sign-in", headers={"Host": host}))
        assert "https" in shown
        assert "<form" not in shown
        refused = await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]}, headers={"Host": host})
        assert "https" in is_page(refused, 403)
        assert not browser.cookies


async def test_a_sign_out_ends_the_session_in_this_browser(service: Served) -> None:
    async with visiting(service) as browser:
        answer = await browser.post("/ops/sign-out")
        assert answer.headers["location"] == "/ops/sign-in"
        assert not browser.cookies
        assert (await browser.get("/ops/tasks")).status_code == 303


async def test_an_old_session_leads_to_the_sign_in_with_words(service: Served) -> None:
    key = next(each for each in service.services.keyring.keys if each.name == "read")
    now_s = service.services.clock() // 1000
    old = sign_session([SECRET_KEY], key, nonce="n" * 22, now_s=now_s - SESSION_S - 10)
    async with visiting(service, None) as browser:
        browser.cookies.set("whenfinal_ops", old)
        away = await browser.get("/ops/tasks")
        assert "ended=1" in away.headers["location"]
        assert "session has ended" in is_page(await browser.get(away.headers["location"]))
        refused = await browser.post("/ops/sign-out", data={})
        assert refused.status_code == 303
        assert is_page(await browser.get("/ops/tasks", headers={"HX-Request": "true"}), 401)


async def test_a_session_ends_when_its_key_is_taken_out_of_the_settings(tmp_path: Path) -> None:
    async with served(tmp_path) as before, visiting(before, "read") as browser:
        is_page(await browser.get("/ops/tasks"))
        cookie = browser.cookies["whenfinal_ops"]
    left = ",".join(f"{name}:{scopes}:{key}" for name, (scopes, key) in KEYS.items() if name != "read")
    replaced = f"{left},read:read:another-key-of-the-same-name"
    for keys in (left, replaced):
        async with served(tmp_path, WHENFINAL_API_KEYS=keys) as after, visiting(after, None) as browser:
            browser.cookies.set("whenfinal_ops", cookie)
            assert (await browser.get("/ops/tasks")).status_code == 303


async def test_a_session_is_of_no_use_to_the_api(service: Served) -> None:
    async with visiting(service) as browser:
        cookie = {"Cookie": f"whenfinal_ops={browser.cookies['whenfinal_ops']}"}
        assert (await browser.get("/v1/tasks", headers=cookie)).status_code == 401


async def test_a_bearer_key_is_no_session(service: Served) -> None:
    async with visiting(service, None) as browser:
        assert (await browser.get("/ops/tasks", headers=service.key("all"))).status_code == 303


async def test_a_form_of_another_site_is_refused_and_does_nothing(service: Served) -> None:
    async with visiting(service) as browser:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        ):
            page = is_page(await browser.post("/ops/sign-out", headers=headers), 403)
            assert "another site" in page
        assert browser.cookies
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as browser:
        cookie = {"Cookie": "whenfinal_ops=x"}
        assert (await browser.post("/ops/sign-out", headers=cookie)).status_code == 403
        foreign = {"Origin": "https://evil.example"}
        assert (await browser.post("/ops/sign-in", data={"key": KEYS["read"][1]}, headers=foreign)).status_code == 403


async def test_without_a_dashboard_there_is_no_such_address(tmp_path: Path) -> None:
    async with served(tmp_path, WHENFINAL_DASHBOARD="off") as service:
        for path in ("/ops", "/ops/tasks", "/ops/sign-in", "/ops/x"):
            answer = await service.get(path, headers=SAME_ORIGIN)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"


async def test_the_description_of_the_api_names_no_page(service: Served) -> None:
    assert not any(path.startswith("/ops") for path in (await service.get("/openapi.json")).json()["paths"])

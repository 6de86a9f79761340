"""More of a night, done three ways as in `night_acts`: hosts of `notify`, repairs of a subscriber, secrets."""

import asyncio
import time
from typing import Any

import pytest
from playwright.async_api import expect

from submitter.errors import WebhookNotVerified
from submitter.standard_webhooks import verify_webhook
from tests.support.night import Act, Trouble, gets_each_once, repairs, shown_by_api, shown_in_shell
from tests.support.service import ORDER
from tests.support.subscriptions_over_http import create_subscription

# A host of `notify` that fails: its breaker is open, and it has dead letters; it is resumed with them.


async def _fails_a_host(on: Trouble) -> None:
    """Four attempts make two dead letters; the fifth, of a task that comes later, opens the breaker."""
    notify = {"url": on.subscriber.server.url}
    for _ in range(2):
        await on.submits(ORDER, notify=notify)
    async with asyncio.timeout(60):
        while len((await on.night.api("GET", "/v1/deliveries?state=dead"))["deliveries"]) < 2:
            await asyncio.sleep(0.05)
    for _ in range(3):
        await on.submits(ORDER, notify=notify)


async def _resume_the_host_at_the_page(on: Trouble) -> None:
    page, alarm = on.night.page, await on.night.alarm("endpoint_failing")
    await expect(alarm).to_contain_text("A notify address has failed")
    await expect(alarm).to_contain_text("Its breaker is open")
    await repairs(on)
    await alarm.get_by_role("link", name="Notify addresses").click()
    await expect(page.locator("tbody tr")).to_contain_text("answered 500 (Internal Server Error)")
    await page.get_by_role("button", name="Resume with dead letters…").click()
    await on.night.does("Resume it, with its dead letters")
    await on.night.is_calm("endpoint_failing")
    await on.night.is_calm("dead_letters")


async def _resume_the_host_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "notify", "warn dead letters at hosts of notify")
    async with asyncio.timeout(120):
        while (found := (await on.night.shell_json("endpoints", "list", "--failing"))[0])["breaker"]["failures"] < 5:
            await asyncio.sleep(0.1)
    await repairs(on)
    (resumed,) = await on.night.shell_json("endpoints", "resume", found["endpoint"], "--dead-letters")
    _has_resumed_it_all(found, resumed)


async def _resume_the_host_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "notify", "warn 1 named in notify that fail or are paused")
    async with asyncio.timeout(60):
        while (found := (await _failing_hosts(on))[0])["breaker"]["failures"] < 5:
            await asyncio.sleep(0.1)
    await repairs(on)
    order = {"endpoint": found["endpoint"], "dead_letters": True}
    resumed = await on.night.api("POST", "/v1/endpoints/resume", order)
    _has_resumed_it_all(found, resumed)


def _has_resumed_it_all(found: dict[str, Any], resumed: dict[str, Any]) -> None:
    assert (resumed["was_failing"], resumed["has_more"]) == (True, False)
    assert resumed["redelivered"] >= found["dead"] >= 2  # a probe of the breaker may have made another


async def _failing_hosts(on: Trouble) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await on.night.api("GET", "/v1/endpoints?which=failing"))["endpoints"]
    return found


# A subscriber that is repaired: its subscription is disabled meanwhile, tested, enabled, and what it missed replayed.


async def _breaks_down(on: Trouble) -> None:
    on.subscription = (await create_subscription(on.night.service, url=on.subscriber.server.url))["id"]
    await on.submits(ORDER)


async def _is_repaired_while_a_task_ends(on: Trouble) -> None:
    await on.night.has(await on.submits(ORDER), "succeeded")
    await repairs(on)


async def _repair_at_the_page(on: Trouble) -> None:
    page = on.night.page
    await page.get_by_role("link", name="Subscriptions", exact=True).click()
    row = page.locator(f"tr#{on.subscription}")
    async with asyncio.timeout(60):
        while "answered 500 (Internal Server Error)" not in await row.inner_text():
            await asyncio.sleep(0.3)
            await page.reload()
    await row.get_by_role("link", name=on.subscription).click()
    await page.get_by_role("button", name="Disable…").click()
    await on.night.does("Disable it")
    await _is_repaired_while_a_task_ends(on)
    alarm = await on.night.alarm("subscription_disabled")
    await alarm.get_by_role("link", name=f"Subscription {on.subscription}").click()
    for button, second, said in (
        ("Test…", "Send one test webhook", "answered 200"),
        ("Enable…", "Enable it", "it is enabled"),
    ):
        await page.get_by_role("button", name=button).click()
        await on.night.does(second)
        await expect(page.locator("tbody")).to_contain_text(said)
        await page.get_by_role("link", name=on.subscription).click()
    await page.get_by_text("Replay: post events again").click()
    await page.get_by_label("From the event number").fill("1")
    await page.get_by_label("Which").select_option("only those that it has no delivery of")
    await page.get_by_role("button", name="Replay to now…").click()
    await on.night.does("Post 1 event again")
    await on.night.is_calm("subscription_disabled")


async def _repair_in_the_shell(on: Trouble) -> None:
    async with asyncio.timeout(120):
        while "failures in a row" not in await on.night.shell("subscriptions", "list", "-o", "wide"):
            await asyncio.sleep(0.1)
    await on.night.shell("subscriptions", "disable", on.subscription)
    await _is_repaired_while_a_task_ends(on)
    (listed,) = await on.night.shell_json("subscriptions", "list")
    assert listed["state"] == "disabled"
    assert "delivered: answered 200" in await on.night.shell("subscriptions", "test", on.subscription)
    await on.night.shell("subscriptions", "enable", on.subscription)
    missed = ("replay", on.subscription, "--from-seq", "1", "--only", "missing")
    (counted,) = await on.night.shell_json(*missed, "--dry-run")
    (replayed,) = await on.night.shell_json(*missed, "--yes")
    assert (counted["made_due"], replayed["made_due"]) == (1, 1)


async def _repair_over_the_api(on: Trouble) -> None:
    path = f"/v1/subscriptions/{on.subscription}"
    async with asyncio.timeout(60):
        while (failed := (await on.night.api("GET", path))["deliveries"]["last_failed"]) is None:
            await asyncio.sleep(0.1)
    assert failed["status"] == 500
    await on.night.api("PATCH", path, {"enabled": False})
    await _is_repaired_while_a_task_ends(on)
    assert (await on.night.api("GET", path))["state"] == "disabled"
    assert (await on.night.api("POST", f"{path}/test"))["delivered"]
    await on.night.api("PATCH", path, {"enabled": True})
    missed = {"first_seq": 1, "which": "missing"}
    counted = await on.night.api("POST", f"{path}/replay", {**missed, "dry_run": True}, status=202)
    replayed = await on.night.api("POST", f"{path}/replay", missed, status=202)
    assert (counted["made_due"], replayed["made_due"]) == (1, 1)


async def _gets_each_and_the_test_once(on: Trouble) -> None:
    taken = await on.subscriber.has_taken(len(on.tasks) + 1)
    assert len(taken) == len(on.tasks) + 1


# A secret that has leaked: another one is made, and the old one ends at once.


async def _leaks_a_secret(on: Trouble) -> None:
    await repairs(on)
    made = await create_subscription(on.night.service, url=on.subscriber.server.url)
    on.subscription = made["id"]
    on.secrets.append(made["secret"])


async def _rotate_at_the_page(on: Trouble) -> None:
    page = on.night.page
    await page.get_by_role("link", name="Subscriptions", exact=True).click()
    await page.get_by_role("link", name=on.subscription).click()
    assert on.secrets[0] not in await page.content()
    await page.get_by_role("link", name="Rotate the secret").click()
    await page.get_by_label("The old one also signs for").select_option("not at all")
    await page.get_by_role("button", name="Rotate…").click()
    await expect(page.locator("main")).to_contain_text("The old one ends at once")
    await page.get_by_role("button", name="Rotate, and show").click()
    await expect(page.locator("main")).to_contain_text("signs no more")
    on.secrets.append(await page.locator("#secret").inner_text())


async def _rotate_in_the_shell(on: Trouble) -> None:
    (listed,) = await on.night.shell_json("subscriptions", "list")
    shown = await on.night.shell("subscriptions", "show", listed["id"])
    assert on.secrets[0] not in f"{listed} {shown}"
    (rotated,) = await on.night.shell_json("subscriptions", "rotate-secret", listed["id"], "--overlap", "0s")
    on.secrets.append(rotated["secret"])


async def _rotate_over_the_api(on: Trouble) -> None:
    (listed,) = (await on.night.api("GET", "/v1/subscriptions"))["subscriptions"]
    assert on.secrets[0] not in str(listed)
    rotated = await on.night.api("POST", f"/v1/subscriptions/{listed['id']}/rotate-secret", {"overlap_s": 0})
    assert rotated["previous_secret_until"] is None
    on.secrets.append(rotated["secret"])


async def _is_signed_with_the_new_one_alone(on: Trouble) -> None:
    await on.submits(ORDER)
    await on.subscriber.has_taken(1)
    (request,) = on.subscriber.server.requests
    head, body = request.split(b"\r\n\r\n", maxsplit=1)
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
    headers = tuple((name, value) for name, _, value in lines)
    old, new = on.secrets
    verify_webhook([new], headers, body, now_s=int(time.time()))
    with pytest.raises(WebhookNotVerified):
        verify_webhook([old], headers, body, now_s=int(time.time()))


WEBHOOKS = {
    "a host of notify is resumed": Act(
        trouble=_fails_a_host,
        page=_resume_the_host_at_the_page,
        shell=_resume_the_host_in_the_shell,
        api=_resume_the_host_over_the_api,
        ended=gets_each_once,
        settings=(("WHENFINAL_WEBHOOK_BACKOFF_S", "0.1"),),
    ),
    "a subscriber is repaired": Act(
        trouble=_breaks_down,
        page=_repair_at_the_page,
        shell=_repair_in_the_shell,
        api=_repair_over_the_api,
        ended=_gets_each_and_the_test_once,
    ),
    "a leaked secret is rotated": Act(
        trouble=_leaks_a_secret,
        page=_rotate_at_the_page,
        shell=_rotate_in_the_shell,
        api=_rotate_over_the_api,
        ended=_is_signed_with_the_new_one_alone,
    ),
}

"""The troubles of a night and their cures, each done three ways: at the pages, in a shell, and over HTTP."""

import asyncio

from playwright.async_api import expect

from tests.support.night import VIDEO, Act, Trouble, gets_each_once, repairs, shown_by_api, shown_in_shell
from tests.support.service import ORDER
from tests.support.subscriptions_over_http import create_subscription

REASON = "the console shows that it failed"
STUCK = {**VIDEO, "prompt": "a horse #simulate:stuck"}


# A lost reply: found in the list of the provider, and accepted.


async def _loses_a_reply(on: Trouble) -> None:
    on.night.sim.plan("dashscope", [["reply_lost"]])
    await on.night.has(await on.submits(), "uncertain")


async def _accept_at_the_page(on: Trouble) -> None:
    page, alarm = on.night.page, await on.night.alarm("uncertain")
    await expect(alarm).to_contain_text("1 submit at dashscope is uncertain")
    await alarm.get_by_role("link", name="Doubtful submits").click()
    await page.get_by_role("button", name="Look at the providers' lists…").click()
    await page.get_by_role("button", name="Look for 1 task").click()
    await expect(page.locator("main")).to_contain_text("exactly one fits")
    await page.get_by_role("button", name="Accept…", exact=True).click()
    await expect(page.locator("main")).to_contain_text("the provider says")
    (paid,) = on.night.sim.records().of("dashscope")
    await on.night.does(f"Settle as {paid.task_id}")
    await on.night.is_calm("uncertain")


async def _accept_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "uncertain", "warn 1 uncertain")
    (listed,) = await on.night.shell_json("tasks", "list", "--state", "uncertain")
    assert listed["id"] == on.task
    (paid,) = on.night.sim.records().of("dashscope")
    assert paid.task_id in await on.night.shell("tasks", "settle", "--look", "--yes")


async def _accept_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "uncertain", "warn 1 uncertain")
    (listed,) = (await on.night.api("GET", "/v1/tasks?state=uncertain"))["tasks"]
    look = await on.night.api("POST", f"/v1/tasks/{listed['id']}/look")
    (paid,) = on.night.sim.records().of("dashscope")
    assert look["clear"] == paid.task_id
    await on.night.api("POST", f"/v1/tasks/{on.task}/settle", {"task_id": look["clear"]})


# A denied key: put right, and the provider resumed.


async def _denies_the_key(on: Trouble) -> None:
    await on.submits(video=STUCK)
    on.night.keys["dashscope"] = "another-key"
    await on.night.service.post(f"/v1/tasks/{on.task}/reconcile")


async def _puts_the_key_right(on: Trouble) -> None:
    (paid,) = on.night.sim.records().of("dashscope")
    on.night.keys["dashscope"] = "sim-dashscope-key"
    on.night.sim.finish(paid.task_id)


async def _resume_the_denied_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("denied")
    await expect(alarm).to_contain_text("dashscope has denied our key for polls")
    await _puts_the_key_right(on)
    await alarm.get_by_role("button", name="Resume dashscope…").click()
    await on.night.does("Resume dashscope")
    await on.night.is_calm("denied")


async def _resume_the_denied_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "dashscope", "warn its last answers")
    await _puts_the_key_right(on)
    assert "polls" in await on.night.shell("providers", "resume", "dashscope")


async def _resume_the_denied_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "dashscope", "warn its last answers")
    await _puts_the_key_right(on)
    resumed = await on.night.api("POST", "/v1/providers/dashscope/resume")
    assert resumed["ended"]


# A throttled account: resumed, and its queue goes on.


async def _throttles(on: Trouble) -> None:
    on.night.sim.plan("dashscope", [["submit_429"]])
    await on.night.has(await on.submits(), "queued")


async def _resume_the_throttled_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("paused")
    await expect(alarm).to_contain_text("dashscope has held back our submits")
    await expect(alarm).to_contain_text("1 task waits in the queue")
    await alarm.get_by_role("button", name="Resume dashscope now…").click()
    await on.night.does("Resume dashscope")
    await on.night.is_calm("paused")


async def _resume_the_throttled_in_the_shell(on: Trouble) -> None:
    assert "held back" in await on.night.shell("providers", "list")
    await on.night.shell("providers", "resume", "dashscope")


async def _resume_the_throttled_over_the_api(on: Trouble) -> None:
    (found,) = [each for each in (await on.night.api("GET", "/v1/providers"))["providers"] if each["queued"]]
    assert found["submits_paused_reason"]
    await on.night.api("POST", f"/v1/providers/{found['name']}/resume")


async def _is_sent_now(on: Trouble) -> None:
    await on.night.has(on.task, "submitted")
    async with asyncio.timeout(60):
        while (await on.night.api("POST", f"/v1/tasks/{on.task}/reconcile"))["tasks"][0]["after"] != "succeeded":
            await asyncio.sleep(0.1)


# A dead subscriber: repaired, and its subscription resumed.


async def _fails_a_subscriber(on: Trouble) -> None:
    on.subscription = (await create_subscription(on.night.service, url=on.subscriber.server.url))["id"]
    for _ in range(5):
        await on.submits(ORDER)


async def _resume_the_subscription_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("endpoint_failing")
    await expect(alarm).to_contain_text("Its breaker is open")
    await repairs(on)
    await alarm.get_by_role("link", name="Subscription sub_").click()
    await on.night.page.get_by_role("button", name="Resume…").click()
    await on.night.does("Resume it")
    await on.night.is_calm("endpoint_failing")


async def _resume_the_subscription_in_the_shell(on: Trouble) -> None:
    async with asyncio.timeout(120):
        while (await on.night.shell_json("subscriptions", "list"))[0]["breaker"]["state"] != "open":
            await asyncio.sleep(0.1)
    await repairs(on)
    await on.night.shell("subscriptions", "resume", on.subscription)


async def _resume_the_subscription_over_the_api(on: Trouble) -> None:
    async with asyncio.timeout(60):
        path = f"/v1/subscriptions/{on.subscription}"
        while (await on.night.api("GET", path))["breaker"]["state"] != "open":
            await asyncio.sleep(0.1)
    await repairs(on)
    await on.night.api("POST", f"{path}/resume")


# Dead letters: sent again once their receiver is repaired.


async def _makes_a_dead_letter(on: Trouble) -> None:
    await on.submits(ORDER, notify={"url": on.subscriber.server.url})


async def _redeliver_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("dead_letters")
    await expect(alarm).to_contain_text("1 dead letter")
    await repairs(on)
    await alarm.get_by_role("link", name="Dead letters").click()
    await expect(on.night.page.locator("tbody tr")).to_have_count(1)
    await on.night.page.get_by_role("button", name="Redeliver…").click()
    await on.night.does("Redeliver 1 dead letter")
    await on.night.is_calm("dead_letters")


async def _redeliver_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "notify", "warn dead letters at hosts of notify: 1")
    await repairs(on)
    await on.night.shell("deliveries", "redeliver", "--state", "dead", "--yes")


async def _redeliver_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "notify", "warn dead letters at hosts of notify: 1")
    await repairs(on)
    await on.night.api_run("/v1/deliveries/redeliver", {"state": ["dead"]})


# An overdue task: polled now, and it ends.


async def _gets_overdue(on: Trouble) -> None:
    await on.submits(video=STUCK, deadline_s=1)


async def _ends_there(on: Trouble) -> None:
    on.night.sim.finish(on.night.sim.records().of("dashscope")[0].task_id)


async def _reconcile_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("overdue")
    await expect(alarm).to_contain_text("1 task at dashscope is overdue")
    await _ends_there(on)
    await alarm.get_by_role("button", name="Reconcile them…").click()
    await on.night.does("Reconcile 1 task")
    await on.night.is_calm("overdue")


async def _reconcile_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "overdue", "warn 1 overdue")
    await _ends_there(on)
    await on.night.shell("reconcile", "--overdue")


async def _reconcile_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "overdue", "warn 1 overdue")
    await _ends_there(on)
    await on.night.api_run("/v1/tasks/reconcile", {"overdue": True})


# A contradiction: looked at, and no second end was told. Nothing ends its alarm but time: what the provider says twice
# cannot be unsaid.


async def _contradicts(on: Trouble) -> None:
    on.night.sim.plan("hiapi", [["callback_contradicting"]])
    await on.submits(ORDER)


async def _look_at_the_page(on: Trouble) -> None:
    alarm = await on.night.alarm("contradictions")
    await expect(alarm).to_contain_text("1 task at hiapi had ended, and another end was reported")
    await alarm.get_by_role("link", name="Contradicted tasks").click()
    await on.night.page.get_by_role("link", name=on.task).click()
    await expect(on.night.page.locator("ol.timeline li.odd")).to_contain_text("contradiction")
    await expect(on.night.page.get_by_role("button", name="Reconcile…")).to_have_count(0)


async def _look_in_the_shell(on: Trouble) -> None:
    await shown_in_shell(on, "contradicted", "warn 1 contradicted")
    (listed,) = await on.night.shell_json("tasks", "list", "--contradicted")
    assert listed["id"] == on.task
    assert "contradiction" in await on.night.shell("tasks", "explain", on.task)


async def _look_over_the_api(on: Trouble) -> None:
    await shown_by_api(on, "contradicted", "warn 1 contradicted")
    (listed,) = (await on.night.api("GET", "/v1/tasks?contradicted=true"))["tasks"]
    explained = await on.night.api("GET", f"/v1/tasks/{listed['id']}/explain")
    assert any("contradiction" in each["summary"] for each in explained["timeline"])


# A word that nobody knows: looked at, and its task ended.


async def _says_an_unknown_word(on: Trouble) -> None:
    on.night.sim.plan("dashscope", [["unknown_state", "stuck"]])
    await on.submits()
    await on.night.service.post(f"/v1/tasks/{on.task}/reconcile")


async def _end_at_the_page(on: Trouble) -> None:
    page, alarm = on.night.page, await on.night.alarm("unknown_words")
    await expect(alarm).to_contain_text("1 task at dashscope is in a state that no document names")
    await alarm.get_by_role("link", name="The words and their tasks").click()
    words = page.get_by_role("region", name="Unknown words")
    await words.get_by_role("link", name=on.task).click()
    await page.get_by_text("Settle: say what you saw").click()
    await page.get_by_label("It failed, for this reason").fill(REASON)
    await page.get_by_role("button", name="Settle as failed…").click()
    await on.night.does("Settle as failed")
    await on.night.is_calm("unknown_words")


async def _end_in_the_shell(on: Trouble) -> None:
    assert "whenfinal tasks settle" in await on.night.shell("tasks", "explain", on.task)
    await on.night.shell("tasks", "settle", on.task, "--failed", REASON, "--yes")


async def _end_over_the_api(on: Trouble) -> None:
    explained = await on.night.api("GET", f"/v1/tasks/{on.task}/explain")
    assert any("settle" in each for each in explained["cure"])
    await on.night.api("POST", f"/v1/tasks/{on.task}/settle", {"failed": REASON})


# A task that nobody wants any more, and that still waits in the queue: taken out.


async def _waits_for_room(on: Trouble) -> None:
    await _throttles(on)


async def _cancel_at_the_page(on: Trouble) -> None:
    page = on.night.page
    await page.goto(f"{on.night.service.url}/ops/tasks/{on.task}")
    await page.get_by_role("button", name="Cancel…").click()
    await on.night.does("Cancel 1 task")


async def _cancel_in_the_shell(on: Trouble) -> None:
    await on.night.shell("tasks", "cancel", on.task)


async def _cancel_over_the_api(on: Trouble) -> None:
    canceled = await on.night.api("POST", f"/v1/tasks/{on.task}/cancel")
    assert canceled["was_queued"]


ACTS = {
    "a lost reply is accepted": Act(
        trouble=_loses_a_reply, page=_accept_at_the_page, shell=_accept_in_the_shell, api=_accept_over_the_api
    ),
    "a denied key is put right": Act(
        trouble=_denies_the_key,
        page=_resume_the_denied_at_the_page,
        shell=_resume_the_denied_in_the_shell,
        api=_resume_the_denied_over_the_api,
    ),
    "a throttled account is resumed": Act(
        trouble=_throttles,
        page=_resume_the_throttled_at_the_page,
        shell=_resume_the_throttled_in_the_shell,
        api=_resume_the_throttled_over_the_api,
        ended=_is_sent_now,
    ),
    "a dead subscriber is resumed": Act(
        trouble=_fails_a_subscriber,
        page=_resume_the_subscription_at_the_page,
        shell=_resume_the_subscription_in_the_shell,
        api=_resume_the_subscription_over_the_api,
        ended=gets_each_once,
    ),
    "a dead letter is sent again": Act(
        trouble=_makes_a_dead_letter,
        page=_redeliver_at_the_page,
        shell=_redeliver_in_the_shell,
        api=_redeliver_over_the_api,
        ended=gets_each_once,
        settings=(("WHENFINAL_WEBHOOK_BACKOFF_S", "0.1"),),
    ),
    "an overdue task is polled": Act(
        trouble=_gets_overdue, page=_reconcile_at_the_page, shell=_reconcile_in_the_shell, api=_reconcile_over_the_api
    ),
    "a contradiction is looked at": Act(
        trouble=_contradicts, page=_look_at_the_page, shell=_look_in_the_shell, api=_look_over_the_api
    ),
    "a word that nobody knows is settled": Act(
        trouble=_says_an_unknown_word,
        page=_end_at_the_page,
        shell=_end_in_the_shell,
        api=_end_over_the_api,
        state="failed",
    ),
    "a queued task is taken out": Act(
        trouble=_waits_for_room,
        page=_cancel_at_the_page,
        shell=_cancel_in_the_shell,
        api=_cancel_over_the_api,
        state="canceled",
        is_sent=False,
    ),
}

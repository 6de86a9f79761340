"""Odd addresses and odd values below /ops are answered with a page, and never with a fault of ours."""

import re

from receiver.web.dashboard.acts.plans import PLANS
from receiver.web.dashboard.routes import PAGE_ROUTES
from tests.support.dashboard import is_page, visiting
from tests.support.service import Served

FILTERED = (
    "/ops/tasks",
    "/ops/deliveries",
    "/ops/events",
    "/ops/subscriptions",
    "/ops/audit",
    "/ops/acts/replay-events",
)

ADDRESSES = [
    "/ops/tasks/" + "a" * 10_000,
    "/ops/runs/" + "a" * 10_000,
    "/ops/acts/" + "a" * 10_000,
    "/ops/" + "a/" * 2_000,
    "/ops/tasks?q=" + "a" * 10_000,
    "/ops/tasks?" + "&".join(f"state{number}=a" for number in range(1000)),
    "/ops/tasks?" + "&".join("label=a%3Db" for _ in range(1000)),
    "/ops/tasks?before=" + "9" * 5_000,
    "/ops/tasks?q=%00",
    "/ops/tasks?q=%ff%fe",
    "/ops/tasks?q=%ed%a0%80",
    "/ops/tasks/%ff",
    "/ops/tasks/%00",
    "/ops/tasks/..%2f..%2fetc%2fpasswd",
    "/ops/tasks/tsk_1/outputs/99999999999999999999",
    "/ops/tasks/tsk_1/outputs/-1",
    "/ops/tasks/tsk_1/pictures/1e9",
    "/ops/tasks?since=-5h",
    "/ops/tasks?since=99999999999999999999999d",
    "/ops/tasks?since=999999999d",
    "/ops/tasks?since=-0001-01-01T00:00:00Z",
    "/ops/tasks?since=9999-12-31T23:59:59Z&until=0001-01-01T00:00:00Z",
    "/ops/tasks?since=9999999-12-31T23:59:59Z",
    "/ops/tasks?until=1e308",
    "/ops/tasks?state=queued&state=queued&state=nope",
    "/ops/tasks?provider=" + "%F0%9F%92%A9" * 50,
    "/ops/tasks/rows?first=1&ids=" + ".".join("tsk_x" for _ in range(1000)),
    "/ops/runs?before=run_",
    "/ops/acts/cancel-tasks?state=nope",
    "/ops/acts/settle-task?task=%F0%9F%92%A9&way=adopt&value=" + "9" * 3_000,
    "/ops/acts/resume-provider?provider=nobody",
    "/ops/audit?actor=" + "a" * 10_000,
    "/ops/audit?before=9999999999999999999999",
    "/ops?x=%00",
]


async def test_an_odd_address_is_a_page_and_never_a_fault_of_ours(service: Served) -> None:
    await service.has()
    async with visiting(service) as browser:
        for address in ADDRESSES:
            for headers in ({}, {"HX-Request": "true"}):
                answer = await browser.get(address, headers=headers)
                assert answer.status_code < 500, address
                if answer.status_code not in {200, 303}:
                    is_page(answer, answer.status_code)
            away = await browser.post(address.partition("?")[0], data={"nonce": "n" * 22, "at": "-1"})
            assert 400 <= away.status_code < 500, address


#: Every name that a page or an act reads from its address.
NAMES = (
    *("q", "state", "provider", "model", "label", "since", "until", "overdue", "contradicted", "before", "after"),
    *("ids", "first", "than", "type", "task", "failing", "answer", "subscription", "endpoint", "notify", "which"),
    *("actor", "action", "delivery", "way", "value", "from", "to", "id", "host", "url", "next", "overlap", "run"),
)

ODD_VALUES = (
    *("-1", "0", "99999999999999999999", "1e999", "nan", "-5h", "99999999999999d", "9999-12-31T23:59:59.999999999Z"),
    *("%F0%9F%92%A9", "'%20OR%201=1--", "%3Cscript%3E", "%25s%25n", "a" * 1_500, "%E2%80%AE", "%01", "=", "a=b&a=c"),
)


async def test_an_odd_value_of_any_name_on_any_page_is_never_a_fault_of_ours(service: Served) -> None:
    """Each value for all names of a page at once, and some for each one by itself on the pages with filters."""
    await service.has()
    async with visiting(service) as browser:
        for route in PAGE_ROUTES:
            if route.method != "GET" or route.path.endswith("/live"):
                continue
            for path in _paths(route.path):
                for value in ODD_VALUES:
                    query = "&".join(f"{name}={value}" for name in NAMES)
                    assert (await browser.get(f"{path}?{query}")).status_code < 500, (path, value)
        for path in FILTERED:
            for name in NAMES:
                for value in ODD_VALUES[::6]:
                    answer = await browser.get(f"{path}?{name}={value}")
                    assert answer.status_code < 500, (path, name, value)


def _paths(form: str) -> list[str]:
    if "{kind}" in form:
        return [form.replace("{kind}", kind) for kind in PLANS]
    return [re.sub("{[a-z]+}", value, form) for value in ("tsk_1", "%F0%9F%92%A9")]

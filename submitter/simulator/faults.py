"""The fault menu, and the three ways in which a submit gets its faults: a plan, its own prompt, or at random.

Faults combine. Callback faults concern HiAPI alone, the only platform that calls back.
"""

import random
import re
from collections.abc import Iterable, Mapping

MENU: Mapping[str, str] = {
    "callback_lost": "no callback is ever posted",
    "callback_late": "the first callback is held back for late_s provider seconds",
    "callback_early": "the task ends at once and its callback is posted before the receipt is returned",
    "callback_duplicated": "the same callback is posted again after it was delivered",
    "callback_overlapping": "the same callback is posted twice at the same time",
    "callback_contradicting": "a second callback reports the other terminal state",
    "callback_unsigned": "callbacks carry no signature headers",
    "callback_wrongly_signed": "callbacks are signed with another secret",
    "callback_malformed": "the callback's JSON is cut; its signature is right",
    "callback_odd_form": "the callback has no content type, an added query and a slash at the end of its path",
    "callback_gzip": "the callback's body is compressed; the signature is over the bytes as sent",
    "reply_lost": "the task is accepted, the connection is closed without an answer",
    "reply_slow": "the task is accepted, the receipt is held back for slow_s provider seconds",
    "reply_truncated": "the task is accepted, the receipt's JSON is cut",
    "reply_html": "the task is accepted, the answer is an HTML page",
    "reply_proxy_503": "the task is accepted, a proxy answers 503 in its own words",
    "reply_upstream_error": "the task is accepted, the answer is that the upstream timed out",
    "receipt_with_error": "the receipt has an error object beside the id",
    "receipt_other_code": "the receipt is HTTP 201 with a code of success that no document names",
    "receipt_bad_byte": "one byte of the receipt is not UTF-8",
    "receipt_cut": "the receipt ends right behind the id",
    "receipt_without_id": "the task is accepted, the receipt names no id",
    "receipt_long_id": "the id has 262 characters",
    "receipt_number_id": "the gateways' id is a number",
    "receipt_long_headers": "the receipt has a header line of 9,000 bytes and 150 cookies",
    "receipt_short_body": "the receipt's connection ends before its Content-Length is reached",
    "submit_403": "refused as not allowed, nothing created",
    "submit_429": "refused as throttled, nothing created",
    "submit_503": "refused as unavailable, nothing created",
    "submit_500": "an internal error, nothing created",
    "submit_reset": "the connection is reset, nothing created",
    "query_429": "the first two status queries are throttled",
    "query_500": "the first two status queries meet an internal error",
    "query_slow": "the first status query is held back for slow_s provider seconds",
    "query_reset": "the first two status queries are reset",
    "query_truncated": "the first two status answers are cut JSON",
    "query_html": "the first two status answers are HTML pages",
    "query_redirect": "the first two status queries are redirected elsewhere",
    "query_wrong_id": "the first two status answers are another task's success",
    "query_403": "the first two status queries are refused as not allowed, because of the task's content",
    "query_401": "the first two status queries are refused: the key is not valid (any more)",
    "query_403_account": "the first two status queries are refused: the account or its key is not allowed",
    "query_403_model": "the first two status queries are refused: the account has no right to the model",
    "query_403_group": "the first two status queries are refused: the account's group is not allowed; a gateway's kind",
    "query_403_ip": "the first two status queries are refused: our address is not allowed; a gateway's kind",
    "query_403_banned": "the first two status queries are refused: the account is banned; a gateway's kind",
    "query_bad_byte": "one byte of the first two status answers is not UTF-8",
    "query_no_task": "the first two status answers have a status word and name no task",
    "query_long_headers": "the first two status answers have a header line of 9,000 bytes and 150 cookies",
    "query_short_body": "the connection of the first two status answers ends before their Content-Length is reached",
    "result_late": "the first two answers after a success have no link",
    "two_ids": "status answers of the gateways name the upstream's id as well",
    "other_word": "status answers of the gateways state the end in a word of their upstream",
    "result_missing": "a success never has a link",
    "result_elsewhere": "the link stands where other models of the platform have it",
    "result_blank": "the link holds a blank and ends with a line feed",
    "reason_elsewhere": "the reason of a failure stands beside the task, not in it",
    "not_visible": "the first two status queries answer as for an unknown id",
    "unknown_state": "while running, the state is a word no document knows",
    "unknown_after": "once terminal, status queries answer as for an unknown id",
    "fail": "the task ends failed",
    "stuck": "the task never ends by itself",
}

#: How many status queries of a task each of these faults hits. They follow each other in this order.
QUERY_HITS: Mapping[str, int] = {
    "not_visible": 2,
    "query_429": 2,
    "query_500": 2,
    "query_slow": 1,
    "query_reset": 2,
    "query_truncated": 2,
    "query_html": 2,
    "query_redirect": 2,
    "query_wrong_id": 2,
    "query_403": 2,
    "query_401": 2,
    "query_403_account": 2,
    "query_403_model": 2,
    "query_403_group": 2,
    "query_403_ip": 2,
    "query_403_banned": 2,
    "query_bad_byte": 2,
    "query_no_task": 2,
    "query_long_headers": 2,
    "query_short_body": 2,
}

#: How many answers after a success have no link.
LATE_RESULTS = 2

#: Faults of a submit that creates nothing. Named in a prompt they hit only the first submit of the same bytes.
REFUSALS = ("submit_reset", "submit_403", "submit_429", "submit_503", "submit_500")

_IN_PROMPT = re.compile(r"#simulate:([A-Za-z0-9_,]+)")


class UnknownFaultError(ValueError):
    """A name that is not on the menu."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no fault is called {name!r}; the menu is: {', '.join(MENU)}")
        self.name = name


def check_fault_names(names: Iterable[str]) -> frozenset[str]:
    """Return the names as a set. Raise UnknownFaultError for one that is not on the menu."""
    found = frozenset(names)
    for name in sorted(found - MENU.keys()):
        raise UnknownFaultError(name)
    return found


def faults_in_prompt(prompt: str) -> frozenset[str]:
    """Return the faults that a prompt names, as in `#simulate:callback_lost,fail`."""
    groups = _IN_PROMPT.findall(prompt)
    return check_fault_names(name for group in groups for name in group.split(",") if name)


def draw_faults(chances: Mapping[str, float], random: random.Random) -> frozenset[str]:
    """Draw one random number for each fault of `chances`, in menu order, so that equal seeds give equal faults."""
    return frozenset(name for name in MENU if name in chances and random.random() < chances[name])

"""An act before it is done, and its start."""

import re
import secrets

from starlette.responses import Response

from receiver.runtime.operator_runs.model import OperatorRun
from receiver.runtime.operator_runs.runner import OperatorRuns
from receiver.web.dashboard.acts.plan import Asked, MakePlan
from receiver.web.dashboard.acts.plans import PLANS
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.list_filter import Pairs
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.problems import Kind, Problem, not_found

#: Of the form itself, beside the fields of the act.
_OWN = frozenset({"nonce", "at"})

_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")

OLD_MS = 12 * 3_600_000  # a preview that nobody pressed for so long is made again

FINAL_OLD_MS = 1_800_000  # the same of an act that cannot be taken back


async def show_act(view: View) -> Page:
    asked = Asked(services=view.services, fields=view.query, at_ms=view.now_ms, is_preview=True)
    kind = view.param("kind")
    plan = await _plan_of(kind)(asked)
    fields = [pair for pair in view.query if pair[0] not in plan.fields]
    values = {
        "plan": plan,
        "kind": kind,
        "fields": [*fields, *plan.fields.items()],
        "nonce": secrets.token_urlsafe(16),
        "at": str(view.now_ms),
    }
    return Page(template="act.html", title=plan.title, values=values, live="")


async def start_act(view: View) -> Response:
    """Start the run of a form; the same form again leads to the same run."""
    run = await run_of_form(view)
    if run is None:
        runs: OperatorRuns = view.request.state.runs
        run = await runs.start(await draft_of(view, view.param("kind")))
    # The plan of a look names the page that shows what it finds.
    return redirect(run.condition.get("leads_to") or f"{ROOT}/runs/{run.id}")


async def run_of_form(view: View) -> OperatorRun | None:
    """The run that the same form gave before: by now there may be nothing left to do, which is no reason to refuse."""
    return await view.services.store.runs.run_of_nonce(view.form.get("nonce", ""))


async def draft_of(view: View, kind: str) -> OperatorRun:
    """The run that a form asks for, before it is stored. Raise a problem for a form that is none, and for a refusal."""
    make = _plan_of(kind)
    fields: Pairs = [pair for pair in view.fields if pair[0] not in _OWN]
    asked = Asked(services=view.services, fields=fields, at_ms=_at(view), is_preview=False)
    if not _NONCE.fullmatch(view.form.get("nonce", "")):
        raise Problem(Kind.MALFORMED, "The form is not one of ours. Nothing was done.")
    plan = await make(asked)
    if plan.is_final:
        _check_age(view, asked.at_ms, FINAL_OLD_MS)
    if plan.refusal:
        raise Problem(Kind.CONFLICT, f"{plan.refusal} Nothing was done.")
    return OperatorRun(
        id=view.services.store.runs.new_run_id(view.now_ms),
        nonce=view.form["nonce"],
        kind=kind,
        actor=view.session.actor,
        condition=plan.condition,
        expected=plan.expected,
        created_ms=view.now_ms,
    )


def _plan_of(kind: str) -> MakePlan:
    if kind not in PLANS:
        raise not_found("act")
    return PLANS[kind]


def _at(view: View) -> int:
    text = view.form.get("at", "")
    at_ms = int(text) if re.fullmatch("[0-9]{1,15}", text) else 0
    _check_age(view, at_ms, OLD_MS)
    return at_ms


def _check_age(view: View, at_ms: int, most_ms: int) -> None:
    if not 0 <= view.now_ms - at_ms <= most_ms:
        raise Problem(Kind.CONFLICT, "The preview is too old. Nothing was done: look at it again.")

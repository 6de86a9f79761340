"""Rotate a secret: the one act that is done while its form is answered, because the answer alone shows the secret.

The run, the audit and the log get no part of it. The same form again leads to the run, which does not have it either.
"""

import structlog
from starlette.responses import Response

from receiver.runtime.operator_runs.acts.subscriptions import GONE
from receiver.runtime.operator_runs.model import ItemResult
from receiver.runtime.operator_runs.runner import OperatorRuns
from receiver.store.errors import StoreError
from receiver.web.dashboard.model.addresses import ROOT
from receiver.web.dashboard.model.subscription_sheet import overlap_of
from receiver.web.dashboard.page import Page, View, redirect
from receiver.web.dashboard.pages.acts import draft_of, run_of_form
from receiver.webhooks.model.request import ConcurrentChange
from submitter.standard_webhooks import public_key

log = structlog.get_logger(__name__)

KIND = "rotate-secret"


async def rotate(view: View) -> Page | Response:
    runs: OperatorRuns = view.request.state.runs
    earlier = await run_of_form(view)
    claimed = await runs.claim(await draft_of(view, KIND)) if earlier is None else None
    if claimed is None:
        earlier = earlier or await run_of_form(view)
        return redirect(f"{ROOT}/runs/{earlier.id}" if earlier else f"{ROOT}/runs")
    run = claimed.run
    name, rotated, why_not = str(run.condition["subscription"]), None, GONE
    try:
        rotated = await view.services.subscriptions.rotate(
            name,
            secret=None,
            overlap_s=run.condition["overlap_s"],
            actor=run.actor,
            seen_changed_ms=run.condition["seen_changed_ms"],
        )
    except ConcurrentChange:
        why_not = "it was changed after the preview was shown, and its secret was not rotated: look at it again"
    if rotated is None:
        await runs.end(claimed, ItemResult(item=name, is_done=False, words=why_not))
        return redirect(f"{ROOT}/runs/{run.id}")
    try:
        await runs.end(
            claimed, ItemResult(item=name, words="a new secret signs; it was shown to who pressed the button")
        )
    except StoreError as error:
        # The secret is stored and signs already, and no other answer shows it.
        log.warning("run_left", run=run.id, kind=KIND, error=str(error))
    values = {
        "own": rotated,
        "secret": rotated.secret,
        "overlap_ms": overlap_of(rotated, view.now_ms),
        "public_key": None if rotated.signing_key is None else public_key(rotated.signing_key),
        "run_id": run.id,
    }
    return Page(template="secret.html", title="The new secret", values=values, live="")

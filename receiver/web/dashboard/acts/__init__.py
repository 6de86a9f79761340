"""What a person sees before an act is done: a plan of each act, made of the fields of its button.

A button (`parts.act`) leads to `GET /ops/acts/KIND?fields`, which shows the plan; its form posts the same fields, the
time of the preview and a nonce, and becomes a run of `receiver.runtime.operator_runs`. A plan changes nothing.

How an act is added: what it does, in `receiver.runtime.operator_runs.acts`; a function here that returns an `ActPlan`,
and one line in `PLANS`; a button on a page: `parts.act('Words', 'kind', fields)`, where `may_operate`.
"""

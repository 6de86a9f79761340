"""A task from its request to its end.

The HTTP API and the command line call `Submission` to submit; intake and reconciler call the ledger with what a
provider reports; a person settles, cancels and downloads (`operator`, `lost_submits`, `download`). Reading is in
`repository`.

Guarantees: the row of a task is committed before its POST. A POST that may cost money is repeated only when surely
nothing was created or the provider remembers our idempotency key. A task changes its state in two places only: in
`submission_repository` until the provider has named it, and afterwards in `Ledger`, whoever brought the news. The first
end that the provider or an operator reports wins; each end makes exactly one terminal event, and only an inferred
`expired` may be replaced by a second one.

Transactions: each verb of `Ledger` and `SubmissionRepository` is one. Task, timeline, events and deliveries are
committed together or not at all. `group_commit` puts many observations into one transaction of the ledger. No
transaction is open while a provider is called.
"""

"""Reconcile: poll the providers about tasks that have been silent.

Called twice a second by the worker (`Reconciler.reconcile_once`), and by the HTTP API and the command line for a person
(`ManualReconcile.run`). Both use one `Poller`, and `model` decides what a poll does and what follows from its answer.

Guarantees. A task is polled by one owner at a time, because it is leased first; a lease ends by itself, so a crash
only repeats a poll. No poll ends a task by itself: it gives an observation to the ledger, like a callback. Polls of all
processes stay within the provider's rate budget. A provider that throttles or denies us pauses, and only that one; a
provider that hangs takes at most half of the slots that are left. A submit is repeated only under an idempotency key
that the provider still remembers.

Transactions. Leasing tasks and taking tokens of the rate budget are one, before any request. No transaction is open
during a request. Recording is several, in this order: observations with their events and deliveries, pauses, ended
alarms, and last the release of the leases. Each may be the last before a crash; what was not released is polled again.
"""

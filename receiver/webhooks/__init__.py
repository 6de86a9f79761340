"""Subscriptions, and delivering events to them and to the URLs in tasks' own `notify`.

Called by: `tasks` publishes events (`publisher`); the worker runs deliveries (`deliverer`); the API and the command
line manage subscriptions (`subscriptions`), requeue past events (`replay`) and read deliveries (`delivery_repository`).

Guarantees. Each event is delivered at least once to each of its recipients, in any order, under one `webhook-id`, until
it is delivered or a dead letter. Deliveries are queued per endpoint: a subscription, or a host named in `notify`. Rate
limit, circuit breaker and back-off belong to the endpoint, so one that hangs or fails delays no other.

Transactions. `publisher` works in its caller's transaction, so that a task and its event are committed together.
`fan_out` makes the deliveries of committed events, in bounded transactions of its own. A delivery takes two more: one
leases it; after the POST, during which none is open, the other records the attempt with everything that follows. A
process that dies in between loses only its lease, which ends by itself; then the same message is posted again. `outbox`
describes the order in which these transactions lock rows.
"""

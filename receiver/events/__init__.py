"""The event log: what happened to tasks and subscriptions, numbered without a gap.

Called by the API and the command line: pages of events by cursor (`log`), open streams (`follower`), and requests that
wait for a task (`feed`). Nothing here writes; events are written by `receiver.webhooks.publisher`, in the transaction
that changes the task.

Guarantees. A reader that has seen event n never finds a smaller number later, because numbers come from a counter row
that is locked until the commit. A cursor before the oldest stored event gets an explicit answer (`ExpiredCursor`, or a
`reset` in a stream), so no event is skipped silently. A slow reader delays nobody.

Transactions: none; each statement reads by itself. One loop per process reads new events for all streams and waits; it
holds the newest in memory, and a stream that falls behind reads the log itself.
"""

"""What providers post to us.

`receiver.web.callbacks` calls `Intake.receive` with the raw bytes and headers of a callback and turns the outcome into
an HTTP status. `model` makes and reads the tokens in callback URLs.

Guarantees: an outcome `Accepted` is durable. Nothing of a body is believed before the token in the path or the
provider's own signature was verified, and where a secret of the provider is configured, its signature must be right. A
token never works for another task. A callback without a result ends nothing; it makes the task due.

Transactions: none of its own. Recording is `GroupCommit.record`, so that many callbacks share one transaction of the
ledger; a callback without a result is `Ledger.make_due`.
"""

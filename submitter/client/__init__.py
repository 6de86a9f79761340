"""The Python client of a running receiver, and its reader of server-sent events.

A pipeline uses `Client` from `submitter`: it submits, waits, follows events and opens webhooks.
It guarantees that a submit is paid for once, because each carries an idempotency key and is repeated under it, and that
events come in order, each once, through lost connections. It stores nothing: the cursor is the caller's.
`replies` turns bytes into the models of `submitter.api`, `stream` follows events, `sse` reads the stream's format.
"""

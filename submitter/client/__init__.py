"""The Python clients of a running receiver, and their reader of server-sent events.

A pipeline uses `Client` or `SyncClient` from `submitter`: it submits, waits, follows events and opens webhooks; an
operator's script lists, repairs and resumes. A submit is paid for once, because each carries an idempotency key and is
repeated under it, and events come in order, each once, through lost connections. The client stores nothing: the cursor
is the caller's.

`conversation` says what a request, a retry, a page and a wait are, without I/O; `calls` has every request as a
function; `stream` follows events, `sse` reads its format, `replies` turns bytes into the models of `submitter.api`.
Only `async_shell` and `sync_shell` do I/O; `client` and `sync_client` are the tables of what users call.
"""

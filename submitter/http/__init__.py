"""All outbound HTTP of the project, except that of the client.

`messages` holds requests and replies as plain values, so that adapters need no socket. `transport` sends one request
for each call; once status and headers are read there is a reply, and before that it raises a kind of TransportError,
which says whether a byte of the request may have been sent. `connector` makes the connections, `reply_head` reads odd
heads, `reply_body` and `unpacking` what there is of a body, `time_limit` ends the wait. `resolver` looks up names, and
`address_guard` forbids private addresses. Only `transport`, `connector`, `time_limit` and `resolver` do I/O.
"""

"""All outbound HTTP of the project, except that of the client.

`messages` holds requests and replies as plain values, so that adapters need no socket. `transport` sends one request
for each call and raises only kinds of TransportError, which say whether a byte of the request may have been sent.
`resolver` looks up names, `address_guard` forbids private addresses, and `reply_body` decompresses within a size cap.
Only `transport` and `resolver` do I/O; the others are pure.
"""

"""The providers' dialects: pure functions between our values and HTTP messages.

`contract` states the functions of an adapter and the table of a provider's limits. Each adapter is one module, which
`registry` lists. An adapter builds calls and parses replies; it opens no socket, reads no clock, and never raises for
what a provider answers. Its docstring names the documents behind every fact, with the day they were read.

`validation` checks a request against the limits before anything is sent. `json_reader` and `error_replies` read
untrusted replies, `calls` builds requests, and `schedule` computes when to poll next. All of it is pure.
"""

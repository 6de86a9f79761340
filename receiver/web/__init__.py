"""HTTP: the routes that providers, callers and operators use, over the services of `runtime`.

The server of a process starts here (`server`), and `app` builds its application from the table in `routes`. An endpoint
is one value: the application serves it and `/openapi.json` describes it. Each request is authenticated, then its query
and its body are checked (`validation`, `json_body`), then a handler of `api` runs. Handlers hold no state and open no
transaction: each calls one verb of a capability, and the transaction begins and ends in there. Whatever goes wrong is
answered as a problem (RFC 9457), from one table in `problems`. A callback is answered 2xx only after its observation is
committed. A request that waits or streams ends when its client leaves or the process stops (`streaming`).
"""

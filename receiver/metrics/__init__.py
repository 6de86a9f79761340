"""What a process counts and measures, and how Prometheus reads it.

`registry.Metrics` is one value of a process, made in `receiver.runtime.wiring` and handed to the services that count;
`snapshot.Snapshot` holds what is open in the ledger, which `receiver.runtime.snapshots` reads every 15 seconds. A
scrape reads both from memory and never the database. `files/` holds the alert rules and the Grafana file that
`whenfinal alerts` and `whenfinal grafana` print.

Guarantees. Labels are names of configured providers and words of ours; any other becomes `other`, so that nobody from
outside can add series. No label holds an id. Counting neither waits nor fails. It belongs to the thread of the event
loop: the values have no locks, because one of prometheus-client's costs several times what it protects.
"""

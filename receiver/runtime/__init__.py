"""A running process: its settings, services, periodic jobs and log, put together from all capabilities.

The commands and the application call it. `environment.load_settings` reads the environment, `wiring.open_services`
opens the ledger, the transports and every service, `background.working` runs the periodic jobs, and
`background.commit_listener` notifies this process of the commits of others.

Guarantees: everything is closed in the reverse order of its opening, and whatever is in flight (a submit, a run of a
job, a batch of callbacks) comes to its end before. No secret of the settings reaches the log. This is the only place
that hands real clocks, random numbers and sockets to the rest.

It has no transactions of its own, except those of `Store.check` (is the ledger writable?) and of the keys that the
first start makes.
"""

"""Values and rules of tasks. Pure: no I/O, no clock, no random numbers.

`task` holds the values, `lifecycle` the table of what a state may become, `request` the rules of a request, `timeline`
what happened to a task, `redaction` how secrets are taken out of a provider's words, `rows` how a task is stored.
"""

"""The handlers of `/v1`, one module for each subject.

A handler turns a checked request into one call of a service, and its result into a body of `submitter.api` or a
problem. The services decide and store; nothing is decided here.
"""

"""The service: the ledger, and all that may change it."""

"""The ledger on disk: one engine, and the rooms whose verbs are its only way in and out."""

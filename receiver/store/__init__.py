"""The ledger on disk: one engine, and the rooms whose verbs are its only way in and out."""

from receiver.store.opening import Store, open_store

__all__ = ["Store", "open_store"]

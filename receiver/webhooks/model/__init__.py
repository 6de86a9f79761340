"""Subscriptions, deliveries, endpoint health, retries, replays and requests: values and rules without I/O."""

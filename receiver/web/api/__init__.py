"""The handlers of `/v1`, one module for each kind of thing."""

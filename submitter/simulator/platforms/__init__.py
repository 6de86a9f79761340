"""One module for each simulated platform: its paths, bodies, state words and error envelopes.

`gateway` is shared by the two gateways. Each module states its sources, what is inferred, and offers `ROUTES`.
"""

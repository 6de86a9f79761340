"""The providers: one module of pure functions each, and the literal table of them."""

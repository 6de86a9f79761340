"""Speaks to video providers. Knows nothing of the receiver."""

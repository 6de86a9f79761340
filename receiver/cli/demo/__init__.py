"""`whenfinal demo`: the whole service against simulated providers with faults, and the count of what came out."""

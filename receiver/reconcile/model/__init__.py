"""Poll decisions, and the values of a run. Pure: no I/O, no clock, no random numbers."""

"""What the commands show: tables, durations and the sentences of `tasks explain`, made from values without I/O."""

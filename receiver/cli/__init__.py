"""The `whenfinal` command.

`main` lists the commands and turns every exception into one line on stderr and an exit status. A command is a function
in `commands/`, or `demo/command`: it reads its options, opens the ledger with `runner.with_services`, calls the
services of the capabilities in one event loop, and prints the result. It needs no running server, because it works on
the same ledger, through the same services and in the same transactions as the API does.

`console` prints: tables for an operator, JSON with `--json`. `options` declares what several commands share. `display/`
turns values into tables and sentences. `doctor/` checks an installation. `demo/` runs the whole service against the
simulated platforms and counts what came out.
"""

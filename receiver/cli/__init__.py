"""The `whenfinal` command.

`command_list` lists the commands. `main` is where the process begins; it prints the help of the top level by itself.
`outcome` turns every exception into one line on stderr and an exit status. `program` reads the command line with typer.
`short` runs some commands without it, where nothing stands behind their words.

A command is a function in `commands/`, or `demo/command`: it reads its options, opens the ledger with
`runner.with_services`, calls the services of the capabilities in one event loop, and prints the result. One that only
reads takes `reading.read_ledger` instead; what it does behind its options is in `lists/`. A command needs no running
server, because it works on the same ledger, through the same services and in the same transactions as the API does.

`console` prints: tables for an operator, JSON with `--json`. `options` declares what several commands share. `display/`
turns values into tables and sentences. `doctor/` checks an installation. `demo/` runs the whole service against the
simulated platforms and counts what came out.
"""

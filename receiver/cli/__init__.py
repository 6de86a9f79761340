"""The `whenfinal` command.

`command_list` lists the commands. `main` is where the process begins; it prints the help of the top level by itself.
`outcome` turns every exception into one line on stderr and an exit status. `program` reads the command line with typer.
`short` runs some commands without it, where nothing stands behind their words.

A command is a function in `commands/`, or `demo/command`: it reads its options, calls the typed client of the API
through `remote.with_client`, and prints the models that it is answered with. The API is that of a running service, or
the same application inside the process (`inside`), on the ledger of the settings: so both ways print the same, and no
server is needed. `each` does the same for many ids, `bulk` for all that a filter finds. Only commands about this
machine open the ledger by themselves; what the short listings read is in `lists/`.

`console` prints: tables for an operator, JSON with `--json`. `options` declares what several commands share. `display/`
turns values into tables and sentences. `doctor/` checks an installation. `demo/` runs the whole service against the
simulated platforms and counts what came out.
"""

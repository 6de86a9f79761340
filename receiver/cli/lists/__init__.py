"""The listings that need no option to be read from the command line: what they read and print, without typer."""

"""The groups of the `whenfinal` command, a module each; `receiver.cli` puts them together."""

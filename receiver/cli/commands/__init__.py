"""The commands, a module for each group of them. Their names and help texts are in `receiver.cli.command_list`."""

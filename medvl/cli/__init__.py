"""One file per verb of the command line; nothing here imports torch at the top."""

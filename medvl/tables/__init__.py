"""A paper's whole table: the stages of all its cells, each run once, several at a time, and ours beside the paper's."""

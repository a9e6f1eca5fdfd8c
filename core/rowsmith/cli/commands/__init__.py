"""The commands and the output of their results."""

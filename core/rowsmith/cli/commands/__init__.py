"""The commands of the command line, and what prints their results."""

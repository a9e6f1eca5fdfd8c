"""Output of the command line: progress, tables and messages, safe for every terminal."""

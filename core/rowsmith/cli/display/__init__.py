"""What the command line shows: progress, tables and messages, safe for every terminal."""

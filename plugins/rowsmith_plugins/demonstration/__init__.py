"""The command ``demo``: real public tables, from training to synthetic rows."""

"""The command ``demo``: real public tables, learned and written from end to end."""

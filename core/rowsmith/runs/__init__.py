"""A run from end to end: its plan, its stages, its jobs, and the files that it leaves behind."""

"""Scores that others have published, for comparison with their figures."""

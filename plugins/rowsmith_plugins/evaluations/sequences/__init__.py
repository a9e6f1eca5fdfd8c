"""Evaluations of the rows of a group in their order, and of time series."""

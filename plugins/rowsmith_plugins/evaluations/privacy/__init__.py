"""Evaluations of what a synthetic table reveals of the rows that its model learned from."""

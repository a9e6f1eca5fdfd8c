"""Columns that follow from other columns of their row."""

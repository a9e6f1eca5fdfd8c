"""Evaluations of how alike the columns of two tables are, and what ties them."""

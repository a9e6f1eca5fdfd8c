"""Evaluations by classifiers: what tells synthetic rows from real ones, and what can be learned from them."""

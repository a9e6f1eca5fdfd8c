"""Evaluations by classifiers: what separates synthetic rows from real ones, and what can be learned from them."""

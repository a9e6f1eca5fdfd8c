"""Evaluation of the rows of a run, and of tables of any origin."""

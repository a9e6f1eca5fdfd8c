"""Decoding of the model ``scratch`` under a token automaton, in large batches."""

"""Randomness: seeds by stage, draws keyed by row, and the random state of the host process."""

"""The ``changes`` transform: a smooth series of values becomes changes."""

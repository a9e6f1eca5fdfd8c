"""The ``changes`` transform: a smooth series of values is encoded as changes."""

"""The ``groups`` transform: the rows of a group are encoded as consecutive records."""

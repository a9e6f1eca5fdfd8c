"""The ``groups`` transform: the rows of a group become records that follow each other."""

"""The ``changes`` transform: a value that goes on from the record before becomes its change."""

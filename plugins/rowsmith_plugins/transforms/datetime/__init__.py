"""The ``datetime`` transform: date-time columns become one column for each calendar part."""

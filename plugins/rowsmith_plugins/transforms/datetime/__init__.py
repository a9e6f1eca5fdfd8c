"""The ``datetime`` transform: a date-time column becomes one column for each calendar part."""

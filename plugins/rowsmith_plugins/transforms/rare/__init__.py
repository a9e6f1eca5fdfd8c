"""The ``protect-rare`` transform: values that only few rows have never reach the model."""

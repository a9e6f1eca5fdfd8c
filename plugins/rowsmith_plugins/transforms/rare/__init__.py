"""The ``protect-rare`` transform: values of few rows never reach the model."""

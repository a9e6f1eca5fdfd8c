"""The ``quantize`` transform: numeric columns become labels."""

"""The ``seasonal`` transform: subtracts trend and seasons from values over time."""

"""The ``seasonal`` transform: values over time without their trend and their seasons."""

"""Training of the model ``scratch``: its recipe, loss, first weights and calibration."""

"""The same as :mod:`rowsmith.randomness.draws`, under its first name."""

from rowsmith.randomness.draws import Draws

__all__ = ["Draws"]

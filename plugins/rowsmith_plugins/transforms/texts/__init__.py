"""Transforms of text columns: ``codes``, ``texts`` and ``marks``."""

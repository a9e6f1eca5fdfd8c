"""Shared parts of transforms, and the small transforms ``constant`` and ``narrow-first``."""

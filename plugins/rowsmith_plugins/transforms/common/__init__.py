"""What several transforms share, and the small transforms ``constant`` and ``narrow-first``."""

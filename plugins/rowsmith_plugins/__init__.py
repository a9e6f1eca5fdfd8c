"""The bundled plugins: one light manifest each, and small components."""

"""The bundled plugins: one light manifest each, and the small components among them."""

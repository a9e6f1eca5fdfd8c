"""The bundled evaluations."""

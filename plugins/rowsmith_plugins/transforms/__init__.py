"""The bundled transforms, one package each, and options of all of them."""

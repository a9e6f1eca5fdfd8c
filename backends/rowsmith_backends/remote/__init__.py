"""The backend ``remote``: a server with an OpenAI-compatible completions endpoint."""

"""The model ``scratch``: a small Llama with a vocabulary of its own, made for one table."""

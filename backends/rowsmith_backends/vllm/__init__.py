"""The backend ``vllm``: an engine in a process of its own."""

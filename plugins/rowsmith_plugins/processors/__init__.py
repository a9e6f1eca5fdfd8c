"""Bundled processors: completions in, records out."""

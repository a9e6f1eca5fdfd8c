"""Bundled processors: from completions to records."""

"""Bundled stopping policies: when generation ends before its target."""

"""Benchmarks of Rowsmith: ``python -m benchmarks NAME --help``."""

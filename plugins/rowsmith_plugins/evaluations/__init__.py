"""Evaluations that come with Rowsmith."""

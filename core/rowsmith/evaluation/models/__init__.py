"""Evaluation of models: what they know, by their log-probabilities and completions."""

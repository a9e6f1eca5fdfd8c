"""The backend ``transformers``, and its engine for any causal language model."""

"""The model ``pretrained``: a causal language model of any kind, fine-tuned on one table."""

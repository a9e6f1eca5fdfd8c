"""What the training of every model shares: one fit by the Hugging Face Trainer, its plan, callbacks and state."""

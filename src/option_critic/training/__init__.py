"""The training loop, its state, and what watches it."""

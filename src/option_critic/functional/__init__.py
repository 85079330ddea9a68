"""The mathematics: pure functions on tensors, and of what deciding needs on numpy arrays. Imports nothing else."""

"""Evaluation: episodes -> Trace -> figures with intervals."""

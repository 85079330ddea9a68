"""Evaluation: episodes -> Trace -> figures with intervals, on the official packages; diagnosis, ablations, bench."""

"""Environments behind one contract: adapters, the border to those of somebody else, worker processes."""

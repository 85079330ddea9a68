"""How options learn: targets and losses of each algorithm, what they share, the update, the table of them."""

"""What is learned: settings, what the algorithms share, a loss each, and the table of them."""

"""One training on many processes."""

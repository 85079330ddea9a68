"""Play with a trained agent in the browser."""

"""The network: heads over all options at once, and how it acts."""

"""The command line: verbs, their flags, what they print."""

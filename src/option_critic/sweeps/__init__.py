"""Many runs: what is planned, where it runs, what became of it."""

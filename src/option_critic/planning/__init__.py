"""What calls options from outside: planners, other learners."""

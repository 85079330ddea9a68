"""What a user says of options."""

"""What a user says of options, the sets that ship, and how options look."""

"""What executes a network here."""

"""What the device is; what cannot be read is unknown, never guessed."""

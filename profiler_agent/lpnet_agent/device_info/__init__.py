"""Facts and readings of a device. What cannot be read is None and never guessed."""

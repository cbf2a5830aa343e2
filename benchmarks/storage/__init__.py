"""What a database of samples takes: bytes, seconds, memory."""

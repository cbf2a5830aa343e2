"""The cost of a database of samples: bytes, seconds, memory."""

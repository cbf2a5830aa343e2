"""Seconds from a torch module to a space, beside those of an export alone."""

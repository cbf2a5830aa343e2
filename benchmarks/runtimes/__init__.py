"""Comparison of the runtimes."""

"""Runtimes beside each other."""

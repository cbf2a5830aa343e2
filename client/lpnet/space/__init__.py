"""Spaces: prunable networks as templates whose channel counts are variables."""

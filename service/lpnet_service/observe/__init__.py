"""Seeing what the service does, knowing nothing of its work: logs, metrics, traces."""

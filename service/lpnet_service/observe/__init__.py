"""Logs, metrics and traces; independent of everything else in the service."""

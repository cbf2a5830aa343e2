"""A thousand agents on one service: idle, and with jobs."""

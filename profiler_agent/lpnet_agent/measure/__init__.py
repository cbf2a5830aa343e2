"""Measuring latency: calibration, timing, statistics, conditions, and the measuring process."""

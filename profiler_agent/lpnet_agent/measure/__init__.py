"""How a latency is taken: calibration, statistics, conditions, and the process it happens in."""

"""The NVIDIA GPU that a target runs on: its facts, settings and readings from the driver."""

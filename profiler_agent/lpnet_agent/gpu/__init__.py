"""The NVIDIA GPU that a target runs on: what it is and how it is doing, as its driver says."""

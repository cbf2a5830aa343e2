"""From stored samples to LPNets: splits, runs of the worker, versions, loaded models."""

"""What an LPNet is judged beside: simpler models, trained and judged on the same workloads."""

from lpnet_service.training.baselines.suite import baselines

__all__ = ["baselines"]

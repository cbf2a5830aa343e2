"""The baselines of a report: simpler models, trained and tested on the same workloads."""

from lpnet_service.training.baselines.suite import baselines

__all__ = ["baselines"]

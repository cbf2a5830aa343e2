"""The choice of a kind of latency model by cross-validation."""

from lpnet_service.training.choice.trainer import AUTO, AutoTrainer

__all__ = ["AUTO", "AutoTrainer"]

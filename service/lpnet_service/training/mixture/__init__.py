"""Training of mixtures."""

from lpnet_service.training.mixture.trainer import MixtureTrainer

__all__ = ["MixtureTrainer"]

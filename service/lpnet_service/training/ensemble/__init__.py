"""Training of ensembles."""

from lpnet_service.training.ensemble.trainer import EnsembleTrainer

__all__ = ["EnsembleTrainer"]

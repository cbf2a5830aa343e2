"""The ensemble of MLPs over kernel features: the usual kind of latency model."""

from lpnet.model.ensemble.header import EnsembleHeader
from lpnet.model.ensemble.network import Ensemble

__all__ = ["Ensemble", "EnsembleHeader"]
